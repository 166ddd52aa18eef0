"""Side by side with other libraries' drift detectors, on the same windows: false alarms, power, CPU time, memory."""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection import environment, ours
from benchmarks.detection.campaign import interval, spread
from benchmarks.detection.environment import CALLS, TIMED, Answer, Kept
from benchmarks.detection.peer_process import DETECTORS
from benchmarks.detection.pool import Pool, load_pool
from benchmarks.detection.scenarios import QUIET, SCENARIOS, draw_windows, held_out
from benchmarks.detection.windows import Windows
from benchmarks.torture.report import figure

M = 1000
RUNS = 200
"""Runs that are drawn; how many of them a peer judges depends on its speed."""
OUR_RUNS = 160
SECONDS: Mapping[str, float] = {
    "alibi-detect MMDDrift": 390.0,
    "Evidently default (classifier)": 60.0,
    "alibi-detect KSDrift": 60.0,
    "Evidently ratio": 60.0,
    "Evidently mmd": 40.0,
    "Evidently mmd with bootstrap": 60.0,
    "frouros MMD": 80.0,
}
"""How long each peer may take in one run of the bench. What it has judged is kept, and the next run goes on there."""
RIVAL = "alibi-detect MMDDrift"
CLASSIFIER = "Evidently default (classifier)"
SPARSE = (SCENARIOS[2], SCENARIOS[5])
"""Scenarios without a yardstick: every fourth run is enough where a call costs seconds."""
QUICK_RUNS, QUICK_M = 1, 300
SIZES = {100: (30, 25), 300: (30, 25), 1000: (30, 25), 3000: (20, 25), 10_000: (18, 20)}
"""Our false alarms: baselines and windows of each, per window size, when baselines are of one window."""
WEEKS = {100: 5, 300: 5, 1000: 5, 3000: 6, 10_000: 6}
"""How many baselines of a week share as many windows."""
LEAST, MOST = 0.03, 0.08
CHEAPER = 200.0
CHEAPER_THAN_CLASSIFIER = 30.0
LARGE, LARGE_DIMENSION = 10_000, 768


@dataclass(frozen=True)
class Asked:
    """A detector's answers: to all windows so far, and to the calls that were timed in this run."""

    answers: Mapping[tuple[int, str], Answer]
    timed: Sequence[Answer]


def run(pools: Sequence[str], *, quick: bool = False, workers: int | None = None) -> list[dict[str, Any]]:
    """Return the figures on the last pool that there is: the largest."""
    name = pools[-1]
    pool = load_pool(name)
    runs, ours_runs, m = (QUICK_RUNS, QUICK_RUNS, QUICK_M) if quick else (RUNS, OUR_RUNS, M)
    windows = draw_windows(pool, runs, m, m)
    versions = {} if quick else environment.installed()
    figures = [figure(f"pool {name}: questions", len(pool.vectors), "questions")]
    with tempfile.TemporaryDirectory() as folder:
        windows.save(Path(folder))
        asked = _ask_all(Path(folder), windows, versions)
        mine = environment.ours().ask(Path(folder), [TIMED] * CALLS, math.inf)[1:]
    seen = _judge_ours(pool, ours_runs, m, workers)
    figures += our_figures(seen)
    for detector in DETECTORS:
        if detector in asked:
            figures += peer_figures(f"{detector} {versions[_package(detector)]}", asked[detector])
        else:
            figures.append(figure(f"{detector}: skipped, not installed (make peers-venv)", 0, "runs"))
    cpu = min(a.cpu for a in mine)
    figures += [
        figure("ours: CPU per window", cpu * 1e3, "ms"),
        figure("ours: peak memory", max(a.peak for a in mine), "MB"),
    ]
    if RIVAL in asked:
        figures += against(RIVAL, asked[RIVAL], seen)
        ratio = min(a.cpu for a in asked[RIVAL].timed) / cpu
        figures.append(figure(f"{RIVAL}: CPU over ours", ratio, "x", CHEAPER, higher_is_better=True))
    if "Evidently" in versions:
        figures += _large(pool)
    return figures + _false_alarms(name, quick=quick, workers=workers)


def tasks(runs: int) -> list[str]:
    """Return what a peer is asked, in order: the scenarios that have a yardstick in every run."""
    return [
        f"{number} {scenario}"
        for number in range(runs)
        for scenario in SCENARIOS
        if number % 4 == 0 or scenario not in SPARSE
    ]


def our_figures(seen: Sequence[ours.Seen]) -> list[dict[str, Any]]:
    """Return how often the set and each chart alone found what, both ways."""
    found: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for window in seen:
        for chart, log_p in window.log_p.items():
            found[chart, window.way, window.scenario].append(log_p <= math.log(ours.ALPHA))
    # Within a scenario: the set before its charts, the peers' reference before the week.
    ordered = sorted(found, key=lambda key: (SCENARIOS.index(key[2]), key[0] != ours.SET, key))
    return [_share(f"{key[2]}: {key[0]} ({key[1]})", found[key]) for key in ordered]


def peer_figures(name: str, asked: Asked) -> list[dict[str, Any]]:
    """Return a peer's figures: how often it found what, its CPU time and its memory."""
    found: dict[str, list[bool]] = defaultdict(list)
    for answer in asked.answers.values():
        found[answer.scenario].append(answer.found)
    return [
        *(_share(f"{scenario}: {name}", found[scenario]) for scenario in SCENARIOS if scenario in found),
        figure(f"{name}: CPU per window", min(a.cpu for a in asked.timed) * 1e3, "ms"),
        figure(f"{name}: peak memory", max(a.peak for a in asked.timed), "MB"),
    ]


def against(rival: str, asked: Asked, seen: Sequence[ours.Seen]) -> list[dict[str, Any]]:
    """Return our power less the rival's, on the very windows that the rival has judged."""
    figures = []
    for scenario in SCENARIOS:
        theirs = {a.run: a.found for a in asked.answers.values() if a.scenario == scenario}
        for way in ours.WAYS:
            mine = {
                s.run: s.log_p[ours.SET] <= math.log(ours.ALPHA)
                for s in seen
                if s.scenario == scenario and s.way == way
            }
            both = sorted(theirs.keys() & mine.keys())
            if both and scenario != QUIET:
                less = float(np.mean([mine[r] for r in both]) - np.mean([theirs[r] for r in both]))
                name = f"{scenario}: ours ({way}) less {rival}, on its {len(both)} windows"
                figures.append(figure(name, less, "share", 0.0, higher_is_better=True))
    return figures


def _package(detector: str) -> str:
    return detector.partition(" ")[0]


def _share(name: str, hits: Sequence[bool]) -> dict[str, Any]:
    low, high = interval(sum(hits), len(hits))
    return figure(
        f"{name}, found ({len(hits)} runs, 95% interval {low:.1%} to {high:.1%})",
        float(np.mean(hits)),
        "share",
    )


def _ask_all(folder: Path, windows: Windows, versions: Mapping[str, str]) -> dict[str, Asked]:
    """Ask every peer that is installed: the slowest beside all the others."""

    def ask(detector: str) -> Asked:
        kept = Kept.of(windows.fingerprint, detector, versions[_package(detector)])
        before = kept.read()
        known = {f"{number} {scenario}" for number, scenario in before}
        missing = [line for line in tasks(len(windows.references)) if line not in known]
        # The first call warms up; where nothing is missing any more the last ones are there to be timed.
        lines = [TIMED, *missing, *[TIMED] * (CALLS - 1)]
        answers = environment.peer(detector).ask(folder, lines, SECONDS[detector])
        kept.add(answers)
        return Asked(kept.read(), answers[1:] or answers)

    there = [detector for detector in DETECTORS if _package(detector) in versions]
    lanes = [[d for d in there if d == RIVAL], [d for d in there if d != RIVAL]]
    with ThreadPoolExecutor(len(lanes)) as threads:
        results = threads.map(lambda lane: {detector: ask(detector) for detector in lane}, lanes)
        return {detector: asked for result in results for detector, asked in result.items()}


def _judge_ours(pool: Pool, runs: int, m: int, workers: int | None) -> list[ours.Seen]:
    topics = held_out(pool)
    numbers = np.arange(runs)
    by_topic = [
        ours.Task(pool.name, topic, tuple(numbers[i :: len(topics)].tolist()), m)
        for i, topic in enumerate(topics)
    ]
    chosen = [task for task in by_topic if task.runs]
    return [window for result in spread(ours.judge_runs, chosen, workers) for window in result]


def _large(pool: Pool) -> list[dict[str, Any]]:
    """Return the CPU time of a large window of more dimensions: pairs of questions side by side."""
    rng = np.random.default_rng(768)
    pairs = rng.integers(len(pool.vectors), size=(2, 2 * LARGE))
    rows = np.concatenate([pool.vectors[side, 0] for side in pairs], axis=1)[:, :LARGE_DIMENSION]
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    windows = Windows(
        vectors,
        np.arange(LARGE)[None],
        {QUIET: np.arange(LARGE, 2 * LARGE)[None]},
    )
    with tempfile.TemporaryDirectory() as folder:
        windows.save(Path(folder))
        asked = {
            name: peer.ask(Path(folder), [TIMED] * (CALLS + 3), math.inf)[1:]
            for name, peer in (("ours", environment.ours()), (CLASSIFIER, environment.peer(CLASSIFIER)))
        }
    cpu = {name: min(a.cpu for a in answers) for name, answers in asked.items()}
    size = f"{LARGE:,} x {vectors.shape[1]}"
    return [
        *(
            figure(f"{name}, {size}: {what}", value, unit)
            for name, answers in asked.items()
            for what, value, unit in (
                ("CPU time", cpu[name] * 1e3, "ms"),
                ("memory at its peak", max(a.peak for a in answers), "MB"),
            )
        ),
        figure(
            f"{CLASSIFIER} without its plot, {size}: CPU over ours",
            cpu[CLASSIFIER] / cpu["ours"],
            "x",
            CHEAPER_THAN_CLASSIFIER,
            higher_is_better=True,
        ),
    ]


def _false_alarms(pool: str, *, quick: bool, workers: int | None) -> list[dict[str, Any]]:
    """Return how often our set raises a false alarm at a nominal 5%, by window size and way."""
    sizes = {QUICK_M: (1, 5)} if quick else SIZES
    plans = {(way, m): plan for m, plan in sizes.items() for way in ours.WAYS}
    size_tasks = []
    for (way, m), (baselines, windows) in sorted(plans.items(), key=lambda item: -item[0][1]):
        several = 1 if way == "same reference" or quick else max(1, baselines // WEEKS[m])
        size_tasks += [
            ours.SizeTask(pool, way, m, seed, windows * several) for seed in range(baselines // several)
        ]
    judged = spread(ours.judge_quiet, size_tasks, workers)
    figures = []
    for way, m in plans:
        p = [
            log_p
            for task, result in zip(size_tasks, judged, strict=True)
            if (task.way, task.m) == (way, m)
            for log_p in result
        ]
        baselines = sum((task.way, task.m) == (way, m) for task in size_tasks)
        for chart in (ours.SET, ours.SCORES):
            share = float(np.mean([log_p[chart] <= math.log(ours.ALPHA) for log_p in p]))
            name = f"false alarms, {chart} ({way}), N = {m:,}, {len(p):,} windows of {baselines} baselines"
            barred = chart == ours.SET and not quick
            figures.append(figure(f"{name}: at most", share, "share", MOST if barred else None))
            if barred:
                figures.append(figure(f"{name}: at least", share, "share", LEAST, higher_is_better=True))
    return figures
