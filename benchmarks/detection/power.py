"""A new topic of known size: after how many windows does an incident open?"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from benchmarks.detection.campaign import spread
from benchmarks.detection.pool import Pool, load_pool
from benchmarks.detection.simulation import THRESHOLD, Watch, make_baseline
from benchmarks.detection.traffic import WINDOWS_A_DAY, Traffic
from benchmarks.torture.report import figure
from monitor.baseline import Baseline
from monitor.records import Evidence

M = 1000
WITHIN = {0.02: 32, 0.05: 8, 0.10: 3}
"""New mass, and the windows within which it should be found."""
FOUND = 0.95
LEAST_QUESTIONS = 150
"""A topic that is held out should have so many questions at least."""
RUNS = 5
"""Runs per topic held out: ten topics or more make fifty."""
QUIET = 32
"""Quiet windows before the drift, so that spans hold both; a run that they alone alarm is not a find: evidence begins
anew, and what a span then says it says of the drift."""
PATIENCE = 2
"""A run is followed for this many times its span."""


@dataclass(frozen=True)
class Task:
    pool: str
    topic: int
    runs: int
    shares: tuple[float, ...] = tuple(WITHIN)


@dataclass(frozen=True)
class Run:
    """One run: the window in which the incident opened (inf: none did) and in which evidence alone would have.

    ``effects`` are the mean effect of each stream that has a floor.
    """

    share: float
    opened: float
    convinced: float
    effects: dict[str, float]
    floors: dict[str, float]


def seek(task: Task) -> list[Run]:
    """Hold a topic out of the baseline and let a share of the questions be about it."""
    traffic = Traffic(_pool(task.pool), without=task.topic)
    baseline = make_baseline(traffic, 500 + task.topic, M)
    runs = []
    for share in task.shares:
        for number in range(task.runs):
            rng = np.random.default_rng([task.topic, number, round(1000 * share)])
            runs.append(_follow(traffic, baseline, share, rng, first=int(rng.integers(WINDOWS_A_DAY))))
    return runs


def _follow(traffic: Traffic, baseline: Baseline, share: float, rng: np.random.Generator, first: int) -> Run:
    """Watch quiet windows, then drifting ones; the drift begins at any hour."""
    watch, opened, convinced = Watch(traffic, baseline), math.inf, math.inf
    for number in range(first, first + QUIET):
        watch.see(number, traffic.draw(rng, number, M))
    watch.evidence = tuple[Evidence, ...]()
    effects, floors = defaultdict[str, list[float]](list), dict[str, float]()
    for count in range(1, PATIENCE * WITHIN[share] + 1):
        number = first + QUIET + count - 1
        drift = watch.see(number, traffic.draw(rng, number, M, new=share)).state == "drift"
        opened = min(opened, count) if drift else opened
        if any(e.log_e >= THRESHOLD for e in watch.evidence):
            convinced = min(convinced, count)
        for r in watch.readings:
            if r.log_p is not None and r.detector != "empty_results" and r.status == "ok":
                effects[r.key].append(r.shift)
                floors[r.key] = r.effect_floor
        if math.isfinite(opened):
            break
    return Run(share, opened, convinced, {k: float(np.mean(v)) for k, v in effects.items()}, floors)


def run(pools: Sequence[str], *, quick: bool = False, workers: int | None = None) -> list[dict[str, Any]]:
    """Return the figures per pool and share."""
    figures = []
    for name in pools:
        pool = _pool(name)
        sizes = np.bincount(pool.topics)
        topics = np.flatnonzero(sizes >= LEAST_QUESTIONS)[: 1 if quick else None].tolist()
        shares = (0.10,) if quick else tuple(WITHIN)
        tasks = [Task(name, topic, 1 if quick else RUNS, shares) for topic in topics]
        runs = [run for result in spread(seek, tasks, workers) for run in result]
        for share in shares:
            figures += _figures(
                f"{name}, {share:.0%} new", share, len(topics), [r for r in runs if r.share == share]
            )
    return figures


def _figures(name: str, share: float, topics: int, runs: Sequence[Run]) -> list[dict[str, Any]]:
    within = WITHIN[share]
    found = float(np.mean([r.opened <= within for r in runs]))
    convinced = float(np.mean([r.convinced <= within for r in runs]))
    cap = PATIENCE * within + 1
    opened = np.minimum([r.opened for r in runs], cap)
    floors = {key: floor for r in runs for key, floor in r.floors.items() if floor > 0}
    beyond = {
        key: float(np.mean([r.effects[key] for r in runs if key in r.effects])) / floor
        for key, floor in floors.items()
    }
    largest = max(beyond, key=lambda key: beyond[key])
    return [
        figure(f"{name}: runs, {topics} topics held out in turn", len(runs), "runs"),
        figure(f"{name}: found within {within} windows", found, "share", FOUND, higher_is_better=True),
        figure(
            f"{name}: windows to the incident, median ({cap} is never)", float(np.median(opened)), "windows"
        ),
        figure(
            f"{name}: windows to the incident, 95th percentile", float(np.quantile(opened, 0.95)), "windows"
        ),
        figure(f"{name}: evidence alone past its threshold within {within}", convinced, "share"),
        figure(f"{name}: largest mean effect over its floor ({largest})", beyond[largest], "x floor"),
    ]


@cache
def _pool(name: str) -> Pool:
    return load_pool(name)
