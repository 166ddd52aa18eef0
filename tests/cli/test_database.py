from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor.store import schema

Run = Callable[..., Any]


def test_a_new_database_is_made_once(driftmon: Run, example: Any, tmp_path: Path) -> None:
    config = example.variant(tmp_path / "w.yaml", "sample_size: 200", "sample_size: 100")
    head = schema.head()
    assert driftmon("db", "current", "--json", "-c", config).json == {
        "current": None,
        "head": head,
        "up_to_date": False,
    }
    assert driftmon("db", "current", "-c", config).out.endswith("run `driftmon db upgrade`\n")
    assert driftmon("db", "upgrade", "-c", config).out == f"schema empty -> {head}\n"
    assert driftmon("db", "upgrade", "-c", config).out == f"schema {head}: up to date\n"
    assert driftmon("db", "current", "--json", "-c", config).json["up_to_date"]
    assert (tmp_path / "driftmon.db").is_file()


def test_a_shared_server_is_never_migrated_on_the_side(
    driftmon: Run, example: Any, tmp_path: Path, postgres_database: str
) -> None:
    config = example.variant(tmp_path / "w.yaml", "sqlite:///driftmon.db", postgres_database)
    check = driftmon("check", "-c", config)
    assert check.code == 3
    assert f"reachable; schema none of {schema.head()}: run `driftmon db upgrade`" in check.out
    refused = driftmon("status", "-c", config)
    assert refused.code == 3
    assert "run `driftmon db upgrade`" in refused.err
    assert driftmon("db", "upgrade", "-c", config).code == 0
    assert driftmon("status", "-c", config).code == 0
    assert driftmon("check", "-c", config).code == 0
