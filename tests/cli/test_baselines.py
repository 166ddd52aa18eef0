from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.baselines import windows_between
from monitor.cli.options import user_name

Run = Callable[..., Any]
HOUR = timedelta(hours=1)


@pytest.fixture
def own(example: Any, tmp_path: Path) -> str:
    """Configuration of a copy of the store: what a test promotes is nobody else's."""
    shutil.copy(example.folder / "driftmon.db", tmp_path)
    config: str = example.variant(tmp_path / "driftmon.yaml", "sample_size: 200", "sample_size: 100")
    return config


def test_list_shows_the_active_one(driftmon: Run, example: Any) -> None:
    said = driftmon("baseline", "list", "-c", example.config)
    assert said.code == 0
    row = next(line for line in said.out.splitlines() if line.startswith("1 "))
    assert {"example", "active", "first"} <= set(row.split())
    (info,) = driftmon("baseline", "list", "--json", "-c", example.config).json
    assert info["active"]
    assert (info["id"], info["collection"], info["reason"]) == (1, "example", "first")
    assert datetime.fromisoformat(info["end"]) == example.end - timedelta(days=1)
    assert info["meta"]["windows"] == 48


def test_show_says_what_it_holds(driftmon: Run, example: Any) -> None:
    shown = driftmon("baseline", "show", "1", "--json", "-c", example.config).json
    assert shown["dimension"] == 384
    assert shown["documents"] == 2852
    assert shown["suite_queries"] == 100
    assert 0.5 < shown["recall_at_10"] < 0.8
    assert shown["records"] > 2000
    assert all(d["factor"] > 0.0 for d in shown["dispersion"].values())
    assert shown["dispersion"]
    text = driftmon("baseline", "show", "1", "-c", example.config).out
    assert text.startswith("baseline 1 of example, active, by ")
    assert "documents: 2852" in text


def test_a_second_one_is_taken_aside_and_promoted(driftmon: Run, example: Any, own: str) -> None:
    reason = "[bold]why[/] not [/x]"  # text of people is no markup
    arguments = (*example.quiet, "--no-activate", "--reason", reason, "--json", "-c", own)
    taken = driftmon("baseline", "build", *arguments)
    assert taken.code == 0, taken.err
    assert taken.err == ""  # no bar, not a byte of one, off a terminal
    second = taken.json["id"]
    assert taken.json["windows"] == 48

    def active() -> list[int]:
        return [i["id"] for i in driftmon("baseline", "list", "--json", "-c", own).json if i["active"]]

    assert active() == [1]
    said = driftmon("baseline", "promote", str(second), "--reason", "better", "-c", own)
    assert said.out == f"baseline {second} is active; evidence starts anew\n"
    assert active() == [second]
    assert reason in driftmon("baseline", "list", "-c", own).out
    assert f"active, by {user_name()}: {reason}" in driftmon("baseline", "show", str(second), "-c", own).out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("build", "other"), "no collection 'other'; the configuration has example"),
        (("list", "other"), "no collection 'other'; the configuration has example"),
        (("show", "99"), "no baseline 99; `driftmon baseline list` shows those there are"),
        (("promote", "99"), "no baseline 99; `driftmon baseline list` shows those there are"),
        (("build", "--start", "yesterday"), "'yesterday' is no time: give ISO 8601"),
        (("build", "--start", "-900000d"), "'-900000d' is no time"),
        (("build", "--start", "-10m"), "give an earlier --start or a later --end"),
        (("build", "--start", "-1d", "--end", "-3d"), "no whole window of 1:00:00 lies between"),
        (("build", "--start", "1971-01-01"), "more than 200000 windows lie between"),
        (
            ("build", "--start", "2001-01-01", "--end", "2001-01-02"),
            "none of the 24 windows has a usable query; check the span (--start, --end)",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_told_with_the_mend(
    driftmon: Run, example: Any, arguments: tuple[str, ...], told: str
) -> None:
    said = driftmon("baseline", *arguments, "-c", example.config)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("driftmon: ")
    assert told in said.err


def test_an_index_that_is_not_there_fails_as_an_edge(driftmon: Run, example: Any, tmp_path: Path) -> None:
    config = example.variant(tmp_path / "w.yaml", "driftmon-example/index.npz", "nope.npz")
    said = driftmon("baseline", "build", *example.quiet, "-c", config)
    assert said.code == 3
    assert "nope.npz names no file of vectors" in said.err


def test_nothing_yet(driftmon: Run, example: Any, tmp_path: Path) -> None:
    config = example.variant(tmp_path / "w.yaml", "sample_size: 200", "sample_size: 100")
    said = driftmon("baseline", "list", "-c", config)
    assert said.out == "no baseline yet; `driftmon baseline build` takes one from quiet history\n"
    assert driftmon("baseline", "list", "--json", "-c", config).json == []


def test_windows_are_whole_and_aligned() -> None:
    start = datetime(2026, 3, 1, 10, 20, tzinfo=UTC)
    windows = windows_between("a", HOUR, start, start + 3 * HOUR)
    assert [w.start.hour for w in windows] == [11, 12]
    assert all(w.start.minute == 0 and w.length == HOUR for w in windows)
    assert windows_between("a", HOUR, start, start + HOUR) == []
    assert windows_between("a", HOUR, start, start - HOUR) == []
    aligned = start.replace(minute=0)
    assert len(windows_between("a", HOUR, aligned, aligned + 3 * HOUR)) == 3
