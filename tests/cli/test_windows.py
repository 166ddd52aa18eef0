from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.windows import _age, _status_table
from monitor.records import CollectionStatus, Verdict

COMMAND = Path(sys.executable).parent / "driftmon"
Run = Callable[..., Any]


def test_a_quiet_window(driftmon: Run, example: Any) -> None:
    said = driftmon("evaluate", "--until", example.end.isoformat(), "--exit-code", "-c", example.config)
    assert said.code == 0, said.err
    assert said.err == ""
    lines = [line.rstrip() for line in said.out.splitlines() if line.strip()]
    assert lines[0].startswith(f"example, {example.end - timedelta(hours=1):%F %R} to {example.end:%R} UTC: ")
    assert lines[-1] == "quiet"
    rows = {line.split()[0] for line in lines[2:-1]}
    assert {
        "centroid_distance.queries",
        "spatial_kl.queries",
        "score_psi.scores",
        "recall_at_k.suite",
    } <= rows


def test_several_windows_as_data(driftmon: Run, example: Any) -> None:
    arguments = ("--windows", "3", "--until", example.end.isoformat(), "--json", "-c", example.config)
    answer = driftmon("evaluate", *arguments).json
    assert (answer["collection"], answer["baseline"]) == ("example", 1)
    ends = [datetime.fromisoformat(w["end"]) for w in answer["windows"]]
    assert ends == [example.end - timedelta(hours=h) for h in (2, 1, 0)]
    for window in answer["windows"]:
        assert window["verdict"]["state"] in ("quiet", "insufficient")
        assert window["records"] > 0
        recall = next(
            r for r in window["readings"] if (r["detector"], r["signal"]) == ("recall_at_k", "suite")
        )
        assert 0.5 < recall["value"] < 0.8


def test_drift_is_told_by_the_exit_code(driftmon: Run, example: Any, tmp_path: Path) -> None:
    config = _drifting(example, tmp_path)
    arguments = ("--until", example.end.isoformat(), "-c", config)
    assert driftmon("evaluate", *arguments).code == 0
    said = driftmon("evaluate", *arguments, "--exit-code")
    assert said.code == 1
    assert "drift, severity " in said.out
    assert "persistent_vectors.corpus" in next(line for line in said.out.splitlines() if "fires" in line)
    data = driftmon("evaluate", *arguments, "--json", "--exit-code")
    assert data.code == 1
    assert data.json["windows"][0]["verdict"]["cause"] == "model_reembedded"


@pytest.mark.e2e
def test_a_reader_that_goes_away_hides_no_drift(example: Any, tmp_path: Path) -> None:
    arguments = ["--until", example.end.isoformat(), "--exit-code", "-c", _drifting(example, tmp_path)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [COMMAND, "evaluate", *arguments], check=False, stdout=writing, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def _drifting(example: Any, tmp_path: Path) -> str:
    """Return a configuration whose index was re-embedded: every vector is turned the same way."""
    import shutil

    import numpy as np

    with np.load(example.folder / "driftmon-example" / "index.npz", allow_pickle=False) as index:
        turned = np.roll(index["vectors"], 100, axis=1)
        np.savez(tmp_path / "turned.npz", ids=index["ids"], vectors=turned)
    shutil.copy(example.folder / "driftmon.db", tmp_path)
    config: str = example.variant(tmp_path / "w.yaml", "driftmon-example/index.npz", "turned.npz")
    return config


def test_without_a_baseline_the_mend_is_named(driftmon: Run, example: Any, tmp_path: Path) -> None:
    config = example.variant(tmp_path / "w.yaml", "sample_size: 200", "sample_size: 100")
    said = driftmon("evaluate", "-c", config)
    assert said.code == 2
    assert (
        said.err == "driftmon: collection 'example' has no baseline: run `driftmon baseline build example`\n"
    )
    waiting = driftmon("status", "-c", config)
    assert waiting.code == 0
    assert "waiting" in waiting.out
    assert "none: driftmon baseline build" in waiting.out
    (row,) = driftmon("status", "--json", "-c", config).json["collections"]
    assert (row["baseline"], row["verdict"], row["window_end"]) == (None, None, None)


def test_status_before_the_first_window(driftmon: Run, example: Any) -> None:
    said = driftmon("status", "-c", example.config)
    assert said.code == 0
    answer = driftmon("status", "example", "--json", "-c", example.config).json
    assert datetime.fromisoformat(answer["at"]).tzinfo is not None
    (row,) = answer["collections"]
    assert (row["collection"], row["baseline"], row["incidents"]) == ("example", 1, [])
    assert row["windows"] == {"planned": 0, "running": 0, "done": 0, "parked": 0}


def test_status_of_an_unknown_collection(driftmon: Run, example: Any) -> None:
    said = driftmon("status", "nope", "-c", example.config)
    assert (said.code, said.err) == (2, "driftmon: no collection 'nope'; the configuration has example\n")


@pytest.mark.parametrize(
    ("until", "told"),
    [("never", "'never' is no time"), ("0001-01-01", "lies before 1970"), ("-99999999999999d", "is no time")],
)
def test_a_time_that_is_none(driftmon: Run, example: Any, until: str, told: str) -> None:
    said = driftmon("evaluate", "--until", until, "-c", example.config)
    assert said.code == 2
    assert told in said.err


def test_run_refuses_an_address_that_is_none(driftmon: Run, example: Any, tmp_path: Path) -> None:
    config = example.variant(tmp_path / "w.yaml", "127.0.0.1:9464", "192.0.2.1:1")
    said = driftmon("run", "-c", config)
    assert said.code == 3
    assert "192.0.2.1 is no address of this machine: set web.listen to" in said.err


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(5, "5 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (260_000, "3 d"), (-3, "0 s")],
)
def test_an_age_has_one_unit(seconds: int, told: str) -> None:
    assert _age(timedelta(seconds=seconds)) == told


def test_the_status_table_fits_a_terminal() -> None:
    from rich.console import Console

    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    status = CollectionStatus(
        collection="docs",
        window_end=now,
        readings=(),
        evidence=(),
        verdict=Verdict("drift", "critical", fired=("canary.canary",)),
        incidents=(),
        windows={"planned": 0, "running": 0, "done": 999, "parked": 0},
        sample_sizes={},
        baseline_id=7,
        baseline_model="m",
        log_threshold=1.0,
    )
    out = Console(width=80, highlight=False)
    with out.capture() as captured:
        out.print(_status_table([status], now))
    row = captured.get().splitlines()[-1]
    assert row.split() == [
        "docs",
        "drift",
        "critical",
        "none",
        "2026-03-02",
        "12:00",
        "0",
        "s",
        "7",
        "999",
        "done",
    ]
