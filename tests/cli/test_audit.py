from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.audit import _quiet_windows
from monitor.stats.intervals import clopper_pearson
from tests.core_fakes import world
from tests.core_fakes.bench import QUIET, make_bench

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def told(driftmon: Run, example: Any) -> Any:
    """The audit of the example's two quiet days, as data."""
    said = driftmon("audit", "--json", "--runs", "20", "--exit-code", "-c", example.config)
    assert (said.code, said.err) == (0, "")
    return said.json


def test_the_example_keeps_its_budget(told: Any) -> None:
    assert told["collection"] == "example"
    assert told["kept"] in {"yes", "unproven"}
    # One collection has the whole budget: one false page in 90 days of hours.
    assert told["allowed_per_window"] == pytest.approx(1 / 2160)
    assert told["allowed_per_period"] == pytest.approx(1.0)
    assert 0 < told["p_at_once"] < 1e-5
    history = told["history"]
    assert 46 <= history["windows"] <= 48
    assert history["baselines"] == 2
    assert sum(history["states"].values()) == history["windows"]
    incidents = told["resampled"]["incidents"]
    assert incidents["of"] == 8760
    assert (incidents["low"], incidents["high"]) == clopper_pearson(incidents["count"], 8760)
    assert told["resampled"]["incidents_per_period"]["high"] == pytest.approx(incidents["high"] * 2160)


def test_every_moving_stream_has_its_levels(told: Any) -> None:
    streams = {level["stream"] for level in told["levels"]}
    assert {"centroid_distance.queries", "spatial_kl.queries", "score_psi.scores"} <= streams
    assert not any("suite" in stream for stream in streams)  # it stands still
    for level in told["levels"]:
        of = level["history"]["of"]
        assert (level["history"]["low"], level["history"]["high"]) == clopper_pearson(
            level["history"]["count"], of
        )


def test_smaller_shifts_take_longer(told: Any) -> None:
    shifts = {shift["kind"]: shift for shift in told["shifts"]}
    assert set(shifts) == {
        "new_topic",
        "reweighting",
        "rotation",
        "scores",
        "empty_answers",
        "changed_vectors",
        "lost_documents",
    }
    for shift in shifts.values():
        assert [w["windows"] for w in shift["within"]] == [1, 4, 24]
        sizes = [9e9 if w["size"] is None else w["size"] for w in shift["within"]]
        assert sizes == sorted(sizes, reverse=True)
    assert shifts["empty_answers"]["fired"][0] == "empty_results.scores"
    assert shifts["changed_vectors"]["fired"][0] == "persistent_vectors.corpus"
    # Vectors that change alike fire from 1 in 100 on, and a share of 400 documents scatters.
    assert {w["size"] for w in shifts["changed_vectors"]["within"]} <= {0.01, 0.02, 0.03}
    longest = shifts["new_topic"]["within"][-1]
    assert (
        longest["words"] == f"{longest['size']:.0%} of the questions on a new topic: found within 24 windows"
    )


@pytest.fixture(scope="module")
def drifting(example: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The example, but every question of its last twelve hours is one and the same."""
    folder = tmp_path_factory.mktemp("loud")
    shutil.copytree(example.folder / "driftmon-example", folder / "driftmon-example")
    shutil.copy(example.folder / "driftmon.db", folder)
    text = (example.folder / "driftmon.yaml").read_text()
    config = folder / "here.yaml"
    config.write_text(
        text.replace("sqlite:///driftmon.db", f"sqlite:///{folder}/driftmon.db").replace(
            "driftmon-example/", f"{folder}/driftmon-example/"
        )
    )
    with closing(sqlite3.connect(folder / "driftmon-example" / "log.db")) as log:
        log.execute(
            "UPDATE retrieval_log SET (query, embedding, results) = "
            "(SELECT query, embedding, results FROM retrieval_log LIMIT 1) WHERE created_at >= ?",
            (f"{example.end - timedelta(hours=12):%FT%H}",),
        )
        log.commit()
    return str(config)


def test_a_span_in_drift_does_not_keep_the_budget(driftmon: Run, example: Any, drifting: str) -> None:
    start, end = (example.end - timedelta(hours=h) for h in (12, 0))
    said = driftmon(
        "audit",
        "--start",
        start.isoformat(),
        "--end",
        end.isoformat(),
        "--runs",
        "20",
        "--exit-code",
        "-c",
        drifting,
    )
    assert (said.code, said.err) == (1, ""), said.out
    assert "the budget is NOT kept: it leaves this collection 1 false incident in 90 days" in said.out
    assert "12 windows are too few to resample a year from" in said.out
    assert "does not keep its level" in said.out
    (row,) = [line for line in said.out.splitlines() if line.startswith("history")]
    assert " drift " in row
    assert "The smallest shift that would be found within" in said.out
    assert "… of the answers empty" in said.out


def test_without_a_baseline(driftmon: Run, example: Any, tmp_path: Path) -> None:
    config = example.variant(
        tmp_path / "fresh.yaml", "sqlite:///driftmon.db", f"sqlite:///{tmp_path}/fresh.db"
    )
    said = driftmon("audit", "-c", config)
    assert said.code == 2
    assert "has no baseline: run `driftmon baseline build example`" in said.err


def test_windows_that_were_judged_quiet_since_join_those_of_the_baseline(tmp_path: Path) -> None:
    made = make_bench(tmp_path, "docs")
    made.traffic["docs"].drift.append((made.now + 8 * made.length, made.now + 12 * made.length))
    start = made.now
    made.pass_windows(12)
    for _ in range(12):
        made.tick()
    info = made.store.active_baseline("docs")
    assert info is not None
    judged = {w.start: w.verdict.state for w in made.store.history("docs", start, made.now)}
    assert set(judged.values()) == {"quiet", "drift"}
    windows = _quiet_windows(made.store, info, made.length, None, None)
    assert [w for w in windows if w.end <= info.end] == [world.span(i, made.length) for i in range(QUIET)]
    assert {w.start for w in windows if w.start >= info.end} == {
        moment for moment, state in judged.items() if state == "quiet"
    }
    asked = _quiet_windows(made.store, info, made.length, start.isoformat(), made.now.isoformat())
    assert {w.start for w in asked} == set(judged)  # whoever names a span vouches for it


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--start", "yesterday"), "is no time"),
        (("--start", "2000-01-01", "--end", "2030-01-01"), "more than 200000 windows"),
        (("--start", "-10m", "--end", "-5m"), "no whole window of 1:00:00"),
        (("--start", "2001-01-01", "--end", "2001-01-02"), "none of the 24 windows has a usable query"),
        (("--runs", "3"), "20"),
        (("other",), "no collection 'other'"),
    ],
)
def test_what_cannot_be_audited_is_said(
    driftmon: Run, example: Any, options: tuple[str, ...], complaint: str
) -> None:
    said = driftmon("audit", *options, "-c", example.config)
    assert (said.code, said.out) == (2, "")
    assert complaint in said.err


def test_a_log_that_is_gone(driftmon: Run, example: Any, tmp_path: Path) -> None:
    config = example.variant(tmp_path / "gone.yaml", "/log.db", "/away.db")
    text = (
        Path(config).read_text().replace("sqlite:///driftmon.db", f"sqlite:///{example.folder}/driftmon.db")
    )
    Path(config).write_text(text)
    said = driftmon("audit", "-c", config)
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("driftmon: ")
