from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.options import load_deployment, open_store, parse_moment, pick_collection, user_name
from monitor.errors import ConfigError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (None, NOW),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T10:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
    ],
)
def test_a_moment_is_aware_and_utc(value: str | None, moment: datetime) -> None:
    parsed = parse_moment(value, NOW)
    assert parsed == moment
    assert parsed.utcoffset() == timedelta(0)


def test_an_age_counts_from_now() -> None:
    before = datetime.now(UTC)
    assert abs(parse_moment("-36h", NOW) - (before - timedelta(hours=36))) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "value", ["", "-", "7d", "-7", "-7y", "9999-12-31T23:59-12:00", "-1e9d", "1969-12-31"]
)
def test_what_is_no_moment_is_refused_with_the_value(value: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_moment(value, NOW)
    assert repr(value) in str(refused.value)


def test_the_only_collection_need_not_be_named(example: Any, tmp_path: Path) -> None:
    deployment = load_deployment(Path(example.config))
    assert pick_collection(deployment, None) == "example"
    assert pick_collection(deployment, "example") == "example"
    text = Path(example.config).read_text()
    block = text[text.index("  example:") : text.index("    # embedder:")].replace("  example:", "  other:")
    config = example.variant(tmp_path / "w.yaml", "    # embedder:", block + "    # embedder:")
    with pytest.raises(ConfigError, match="name the collection: one of example, other"):
        pick_collection(load_deployment(Path(config)), None)


def test_the_store_is_closed_when_it_is_left(example: Any) -> None:
    deployment = load_deployment(Path(example.config))
    with open_store(deployment) as store:
        assert store.active_baseline("example") is not None
        assert store.engine.pool.checkedin() > 0  # type: ignore[attr-defined]
    assert store.engine.pool.checkedin() == 0  # type: ignore[attr-defined]


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert user_name() == getpass.getuser()

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert user_name() == f"uid {os.getuid()}"
