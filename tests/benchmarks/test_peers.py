"""`bench-detection peers` and `cost` without any peer: the drawing, the parsing, the table."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.detection import cost, document, environment, ours, peers
from benchmarks.detection.campaign import interval
from benchmarks.detection.environment import Answer, Kept, Peer
from benchmarks.detection.peer_process import Judge, Vectors, answer
from benchmarks.detection.pool import Pool, load_pool
from benchmarks.detection.scenarios import QUIET, REWEIGHTED, SCENARIOS, draw_windows, held_out, rotation
from benchmarks.detection.windows import Windows
from benchmarks.figures import Figure
from monitor.records import Reading


@pytest.fixture(scope="module")
def pool() -> Pool:
    return load_pool("demo")


@pytest.fixture(scope="module")
def windows(pool: Pool) -> Windows:
    return draw_windows(pool, 3, 400, 2000)


def line(run: int, scenario: str, **changes: Any) -> str:
    row = {"run": run, "scenario": scenario, "found": True, "p": 0.01, "cpu": 0.5, "peak": 100.0}
    return json.dumps({**row, **changes})


def test_windows_come_back_from_their_files(pool: Pool, windows: Windows, tmp_path: Path) -> None:
    windows.save(tmp_path)
    again = Windows.load(tmp_path)
    assert again.fingerprint == windows.fingerprint
    assert set(again.questions) == set(SCENARIOS)
    for scenario in SCENARIOS:
        assert np.array_equal(again.window(scenario, 2), windows.window(scenario, 2))
    assert np.array_equal(again.reference(1), windows.reference(1))
    assert draw_windows(pool, 3, 400, 2000, seed=8).fingerprint != windows.fingerprint


def test_a_topic_is_new_in_the_windows_that_say_so_and_nowhere_else(pool: Pool, windows: Windows) -> None:
    for run, topic in enumerate(held_out(pool)[:3]):
        assert not np.any(pool.topics[windows.references[run]] == topic)
        share = {
            name: float(np.mean(pool.topics[windows.questions[name][run]] == topic)) for name in SCENARIOS
        }
        assert share.pop("5% new topic") == pytest.approx(0.05, abs=0.02)
        assert share.pop("10% new topic") == pytest.approx(0.10, abs=0.03)
        assert set(share.values()) == {0.0}


def test_a_reweighted_window_leans_to_half_of_the_topics(pool: Pool, windows: Windows) -> None:
    topics = pool.topics

    def shares(scenario: str) -> Any:
        counts = np.bincount(topics[windows.questions[scenario].ravel()], minlength=topics.max() + 1)
        return counts / counts.sum()

    whole = np.bincount(topics) / len(topics)
    one = np.bincount(topics[windows.questions[REWEIGHTED][0]], minlength=topics.max() + 1) / 2000
    large = whole > 0.04
    assert np.abs(one[large] / whole[large] - 1.0).mean() > 0.15
    assert np.abs(shares(QUIET)[large] / whole[large] - 1.0).mean() < 0.15


def test_a_rotation_turns_every_vector_by_its_angle() -> None:
    turn = rotation(24, 5.0, np.random.default_rng(1))
    assert turn @ turn.T == pytest.approx(np.eye(24), abs=1e-5)
    rows = np.random.default_rng(2).normal(size=(7, 24))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.sum(rows * (rows @ turn), axis=1) == pytest.approx(np.cos(np.radians(5.0)), abs=1e-5)


def test_a_process_answers_what_it_is_asked_and_stops_in_time(windows: Windows) -> None:
    prepared = []

    def prepare(reference: Vectors) -> Judge:
        prepared.append(len(reference))
        return lambda window: (bool(len(window) == 2000), None)

    out = io.StringIO()
    answer(windows, prepare, ["0 quiet\n", "0 5% new topic\n", "1 quiet\n"], math.inf, out)
    answers = environment.parse(out.getvalue().splitlines())
    assert [(a.run, a.scenario, a.found, a.p) for a in answers] == [
        (0, "quiet", True, None),
        (0, "5% new topic", True, None),
        (1, "quiet", True, None),
    ]
    assert prepared == [400, 400]  # a reference is prepared once for all windows of its run
    assert all(a.cpu >= 0.0 and a.peak > 1.0 for a in answers)
    out = io.StringIO()
    answer(windows, prepare, ["0 quiet\n"] * 9, -1.0, out)
    assert len(environment.parse(out.getvalue().splitlines())) == 1


def test_what_libraries_print_between_the_answers_is_left_out() -> None:
    lines = ["No GPU detected", line(1, "quiet"), "{}", "[1]", line(2, "quiet")[:-9]]
    assert environment.parse(lines) == [
        Answer(run=1, scenario="quiet", found=True, p=0.01, cpu=0.5, peak=100.0)
    ]


def test_answers_are_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "CACHE", tmp_path)
    kept = Kept.of("abc", "Evidently default (classifier)", "1.2")
    assert kept.path.name == "evidently-default-classifier-1.2.jsonl"
    assert kept.read() == {}
    first, second = environment.parse([line(1, "quiet"), line(1, "quiet", found=False)])
    kept.add([first, second])
    kept.add([first])
    assert len(kept.path.read_text().splitlines()) == 1
    assert set(kept.read()) == {(1, "quiet")}


def test_a_peer_that_fails_says_why(tmp_path: Path) -> None:
    broken = Peer(("python3", "-c", "raise SystemExit('no such detector')"))
    with pytest.raises(RuntimeError, match="no such detector"):
        broken.ask(tmp_path, ["0 quiet"], 1.0)


def test_without_an_environment_nothing_is_installed(tmp_path: Path) -> None:
    assert environment.installed(tmp_path / "python") == {}


def test_a_set_is_as_sure_as_its_surest_chart_times_their_number() -> None:
    readings = [
        Reading("centroid_distance", "queries", 0.1, 1000, log_p=math.log(0.01)),
        Reading("spatial_kl", "queries", 0.1, 1000, log_p=math.log(0.5)),
        Reading("score_psi", "scores_mean", 0.1, 1000, log_p=math.log(0.9)),
        Reading("empty_results", "scores", 0.0, 1000, log_p=0.0),
        Reading("spatial_kl", "corpus", 0.0, 0, status="insufficient"),
    ]
    told = {name: round(math.exp(p), 9) for name, p in ours.decide(readings).items()}
    assert told == {"centroid_distance": 0.01, "spatial_kl": 0.5, "ours": 0.02, "score charts": 0.9}


def test_power_is_compared_on_the_windows_that_both_have_judged() -> None:
    theirs = {(a.run, a.scenario): a for a in environment.parse([line(0, REWEIGHTED), line(1, REWEIGHTED)])}
    seen = [
        ours.Seen(run, REWEIGHTED, way, {ours.SET: math.log(0.04 if run else 0.06)})
        for run in range(9)
        for way in ours.WAYS
    ]
    figures = peers.against("rival", peers.Asked(theirs, ()), seen)
    assert [f["value"] for f in figures] == [-0.5, -0.5]
    assert figures[0]["name"] == f"{REWEIGHTED}: ours (same reference) less rival, on its 2 windows"


def test_the_table_says_where_a_peer_wins() -> None:
    def made(scenario: str, who: str, value: float) -> Figure:
        name = f"{scenario}: {who}, found (100 runs, 95% interval 1.0% to 9.0%)"
        return Figure(name, value, "share", None, higher_is_better=False, command="c")

    rival, loud, mine = "frouros MMD 0.9", "Evidently mmd 0.7", "ours (same reference)"
    figures = [
        *(made(QUIET, who, value) for who, value in ((mine, 0.05), (rival, 0.04), (loud, 0.9))),
        *(made(REWEIGHTED, who, value) for who, value in ((mine, 0.005), (rival, 0.05), (loud, 1.0))),
        *(made("5% new topic", who, value) for who, value in ((mine, 0.04), (rival, 0.05))),
        Figure("ours: peak memory", 100.0, "MB", None, higher_is_better=False, command="c"),
    ]
    lines = document.by_detector(figures)
    assert lines[0] == f"| 95% interval, runs | {QUIET} | {REWEIGHTED} | 5% new topic |"
    told = "(1.0% to 9.0%, 100)"
    assert lines[2].endswith(f"| 4% {told} |")
    assert lines[3] == f"| frouros MMD 0.9 | 4% {told} | 5% {told} **wins** | 5% {told} ahead |"
    assert "wins" not in lines[4]  # who always cries wolf has not seen it
    assert lines[-1] == "| ours: peak memory | 100 MB |  |  |"


def test_the_interval_of_a_rate_holds_it() -> None:
    low, high = interval(5, 100)
    assert (round(low, 4), round(high, 4)) == (0.0164, 0.1128)
    assert interval(0, 10)[0] == 0.0
    assert interval(10, 10)[1] == 1.0


def test_peers_are_skipped_by_name_and_ours_is_measured() -> None:
    figures = peers.run(("demo",), quick=True, workers=1)
    names = [f["name"] for f in figures]
    assert sum("skipped, not installed" in name for name in names) == 7
    assert sum(name.startswith("quiet: ") for name in names) == 8  # two sets and two charts, two ways each
    turned = next(
        f for f in figures if f["name"].startswith("space turned by 5 degrees: ours (week's baseline)")
    )
    assert turned["value"] in {0.0, 1.0}
    assert 0.0 < next(f["value"] for f in figures if f["name"] == "ours: CPU per window") < 1000.0


def test_a_judgement_costs_little_and_asks_every_rule() -> None:
    figures = {f["name"].partition(": ")[2]: f["value"] for f in cost.run((), quick=True)}
    assert figures["judgement, CPU"] > 0.0
    assert figures["judgement over the pass"] < 60.0  # of 500 small vectors
    drift = next(name for name in figures if "(drift, " in name)
    assert int(drift.partition("drift, ")[2].split()[0]) >= 3
    assert figures[drift] == 25.0
