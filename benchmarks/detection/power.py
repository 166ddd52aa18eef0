"""A new topic of known size: after how many windows does an incident open?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from benchmarks.detection.campaign import spread
from benchmarks.detection.pool import Pool, load_pool
from benchmarks.detection.simulation import THRESHOLD, Watch, make_baseline, measure
from benchmarks.detection.traffic import Traffic
from benchmarks.torture.report import figure
from monitor.records import Reading

M = 1000
WITHIN = {0.02: 32, 0.05: 8, 0.10: 3}
"""New mass, and the windows within which it should be found."""
FOUND = 0.95
LEAST_QUESTIONS = 150
"""A topic that is held out should have so many questions at least."""
RUNS = 5
"""Runs per topic held out: ten topics or more make fifty."""
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
            windows = (
                measure(traffic, baseline, traffic.draw(rng, i, M, new=share))
                for i in range(PATIENCE * WITHIN[share])
            )
            runs.append(_follow(share, list(windows)))
    return runs


def _follow(share: float, windows: Sequence[tuple[Reading, ...]]) -> Run:
    watch, opened, convinced = Watch(), math.inf, math.inf
    for count, readings in enumerate(windows, 1):
        if watch.judge(readings).state == "drift":
            opened = min(opened, count)
        if any(e.log_e >= THRESHOLD for e in watch.evidence):
            convinced = min(convinced, count)
        if math.isfinite(opened):
            break
    charts = [r for r in windows[0] if r.log_p is not None and r.detector != "empty_results"]
    effects = {
        r.key: float(np.mean([q.shift for readings in windows for q in readings if q.key == r.key]))
        for r in charts
    }
    return Run(share, opened, convinced, effects, {r.key: r.effect_floor for r in charts})


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
    beyond = {
        key: float(np.mean([r.effects[key] for r in runs])) / floor
        for key, floor in runs[0].floors.items()
        if floor > 0
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
