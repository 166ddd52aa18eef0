"""Quiet traffic: are p-values honest, and how many incidents open against the budget?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.detection.campaign import upper_bound
from benchmarks.detection.keeping import keep_and_spread
from benchmarks.detection.pool import Pool, load_pool
from benchmarks.detection.simulation import FALSE_PER_WINDOW, Watch, make_baseline
from benchmarks.detection.traffic import KINDS, Kind, Traffic
from benchmarks.torture.report import figure
from monitor.records import FloatArray

LEVELS = (0.01, 0.05)
SLACK = 1.5
"""Nothing may happen more than this many times as often as it says; set before anything was measured."""
LEAST_KS = 0.01
"""Of some forty such tests of true laws, every second run has one below it; the table shows each."""
KS_WINDOWS = 1000
"""Windows that the test of uniformity looks at: 20,000 would find what nobody would mind."""


@dataclass(frozen=True)
class Plan:
    """How many baselines of a pool are taken for a window size, and how many windows each then judges."""

    m: int
    baselines: int
    windows: int
    barred: bool = True
    """Whether there are enough windows to hold their incidents against the budget."""
    shares_barred: bool = True
    """Whether there are enough to tell a share of 1% from one of 1.5%."""


PLANS = (
    Plan(100, 24, 1000),
    Plan(1000, 6, 1700),
    Plan(10_000, 2, 150, barred=False),
)
QUICK = (
    Plan(100, 1, 100, barred=False, shares_barred=False),
    Plan(300, 1, 20, barred=False, shares_barred=False),
)


@dataclass(frozen=True)
class Task:
    pool: str
    kind: Kind
    m: int
    seed: int
    windows: int


@dataclass(frozen=True)
class Quiet:
    """What one baseline made of its quiet windows: ``p`` is ``(windows,)`` per stream."""

    task: Task
    p: dict[str, FloatArray]
    incidents: int
    fired: tuple[str, ...] = field(default=())


def watch(task: Task) -> Quiet:
    """Take a baseline and judge so many windows after it, each of the same traffic."""
    traffic = Traffic(_pool(task.pool), task.kind)
    baseline = make_baseline(traffic, task.seed, task.m)
    collection, p, fired = Watch(traffic, baseline), defaultdict[str, list[float]](list), list[str]()
    for number in range(task.windows):
        rng = np.random.default_rng([task.seed, 1, number])
        before = collection.incidents
        verdict = collection.see(number, traffic.draw(rng, number, task.m))
        if collection.incidents > before:
            fired.extend(verdict.fired)
        for reading in collection.readings:
            # Nobody's answer is empty here, so that this stream's p is 1 for ever.
            if reading.p_value is not None and reading.detector != "empty_results":
                p[reading.key].append(reading.p_value)
    return Quiet(
        task, {key: np.array(values) for key, values in p.items()}, collection.incidents, tuple(fired)
    )


def answer(task: Task) -> dict[str, Any]:
    """Return what :func:`watch` found, as JSON can hold it."""
    seen = watch(task)
    p = {key: values.tolist() for key, values in seen.p.items()}
    return {"p": p, "incidents": seen.incidents, "fired": seen.fired}


def run(pools: Sequence[str], *, quick: bool = False, workers: int | None = None) -> list[dict[str, Any]]:
    """Return the figures of all traffics and window sizes."""
    plans = QUICK if quick else PLANS
    tasks = [
        Task(pool, kind, plan.m, 1000 * number + seed, plan.windows)
        for number, pool in enumerate(pools, 1)
        for plan in reversed(plans)  # the long ones first, so that the processes end together
        for kind in KINDS
        for seed in range(plan.baselines)
    ]
    answers = keep_and_spread("quiet", answer, tasks, workers)
    seen = [
        Quiet(task, {key: np.array(p) for key, p in a["p"].items()}, a["incidents"], tuple(a["fired"]))
        for task, a in zip(tasks, answers, strict=True)
    ]
    figures = []
    for kind in KINDS:
        of_kind = [q for q in seen if q.task.kind == kind]
        for plan in plans:
            figures += _cell(kind, plan, [q for q in of_kind if q.task.m == plan.m])
        figures += _incidents(f"{kind}, all sizes", of_kind, barred=not quick)
    return figures


def _cell(kind: Kind, plan: Plan, seen: Sequence[Quiet]) -> list[dict[str, Any]]:
    name = f"{kind}, N = {plan.m:,}"
    figures = _incidents(name, seen, barred=plan.barred)
    for key in seen[0].p:
        p = np.concatenate([q.p[key] for q in seen])
        figures += [
            figure(f"{name}: {key}, p < {level}", float(np.mean(p < level)), "share", bar)
            for level in LEVELS
            for bar in [SLACK * level if plan.shares_barred else None]
        ]
        if kind == "iid":
            figures += _uniformity(f"{name}: {key}", p)
    return figures


def _uniformity(name: str, p: NDArray[np.float64]) -> list[dict[str, Any]]:
    some = p[np.linspace(0, len(p) - 1, min(len(p), KS_WINDOWS)).astype(int)]
    least = float(stats.kstest(some, "uniform").pvalue)
    distance = float(stats.kstest(p, "uniform").statistic)
    return [
        figure(f"{name}, KS test over {len(some):,} windows", least, "p", LEAST_KS, higher_is_better=True),
        figure(f"{name}, KS distance over all windows", distance, "distance"),
    ]


def _incidents(name: str, seen: Sequence[Quiet], *, barred: bool) -> list[dict[str, Any]]:
    windows = sum(q.task.windows for q in seen)
    incidents = sum(q.incidents for q in seen)
    fired = Counter(key for q in seen for key in q.fired)
    by = f" ({', '.join(f'{key} {count}' for key, count in fired.most_common())})" if fired else ""
    bound = upper_bound(incidents, windows)
    return [
        figure(f"{name}: windows, of {len(seen)} baselines", windows, "windows"),
        figure(f"{name}: incidents{by}", incidents, "incidents"),
        figure(f"{name}: baselines with an incident", sum(q.incidents > 0 for q in seen), "baselines"),
        figure(
            f"{name}: upper bound of incidents per window over the budget's {FALSE_PER_WINDOW:.3g}",
            bound / FALSE_PER_WINDOW,
            "x budget",
            SLACK if barred else None,
        ),
    ]


@cache
def _pool(name: str) -> Pool:
    return load_pool(name)
