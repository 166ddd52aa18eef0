"""Our default set on the windows that peers get: decided at one level, from the peers' reference and from a week."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.pool import EPOCH, Pool, load_pool
from benchmarks.detection.scenarios import draw_run, held_out, turns
from benchmarks.detection.simulation import DETECTORS, QUARTER, make_baseline
from benchmarks.detection.traffic import Traffic
from monitor.baseline import Baseline
from monitor.baseline.window_profile import profile_log, profile_queries
from monitor.judge.runner import measure_all
from monitor.pipeline import Collection
from monitor.profile import merge
from monitor.records import Reading, Record, Rejection, Sample, VectorArray, Window
from monitor.reference import take_baseline

Way = Literal["same reference", "week's baseline"]
WAYS: tuple[Way, ...] = ("same reference", "week's baseline")
"""The very vectors that a peer gets, as one quiet window; or a week of windows as in production, calibrated."""
ALPHA = 0.05
SET = "ours"
SCORES = "score charts"
"""They look at what the log says of answers, which is not in vectors: a set of their own."""


@dataclass(frozen=True)
class Given:
    """A log of one window."""

    records: Sequence[Record]

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        """Yield all of it."""
        del start, end
        yield from self.records

    def describe(self) -> str:
        """Say what it is."""
        return f"{len(self.records)} records"


def from_reference(records: Sequence[Record], seed: int = 0) -> Baseline:
    """Return the baseline of one window that holds these records: nothing can be calibrated on it."""
    named = [dataclasses.replace(r, id=f"{seed}-{i}", at=EPOCH) for i, r in enumerate(records)]
    collection = Collection("log", Given(named), DETECTORS, sample_size=len(named))
    return take_baseline(collection, [Window("log", EPOCH, EPOCH + QUARTER)], seed=seed).baseline


def decide(readings: Sequence[Reading]) -> dict[str, float]:
    """Return log p-values: of each chart, of the set of query charts and of the set of score charts.

    A set's p-value is the smallest of its charts' times their number (Bonferroni), at most 1.
    """
    charts = {
        r.key: r.log_p
        for r in readings
        if r.status == "ok" and r.log_p is not None and r.detector != "empty_results"
    }
    queries = {key: p for key, p in charts.items() if key.endswith(".queries")}
    scores = {key: p for key, p in charts.items() if ".scores" in key}
    sets = {SET: queries, SCORES: scores}
    return {
        **{key.removesuffix(".queries"): p for key, p in queries.items()},
        **{name: min(0.0, min(of.values()) + math.log(len(of))) for name, of in sets.items() if of},
    }


def measure(baseline: Baseline, records: Sequence[Record], vectors: VectorArray) -> tuple[Reading, ...]:
    """Return all readings of a window."""
    sample = Sample(tuple(records), len(records))
    return measure_all(
        DETECTORS, baseline, merge(profile_log(baseline, sample), profile_queries(baseline, vectors))
    )


@dataclass(frozen=True)
class Task:
    """The runs that hold the same topic out of their references."""

    pool: str
    topic: int
    runs: tuple[int, ...]
    m: int


@dataclass(frozen=True)
class Seen:
    """One window: which chart or set said what, from which baseline."""

    run: int
    scenario: str
    way: Way
    log_p: dict[str, float]


def judge_runs(task: Task) -> list[Seen]:
    """Judge every scenario of the runs, both ways."""
    pool = _pool(task.pool)
    week = make_baseline(Traffic(pool, without=task.topic), 700 + task.topic, task.m)
    turn = turns(pool.vectors.shape[2])
    seen = []
    for run in task.runs:
        reference, questions = draw_run(pool, run, task.m, task.m)
        baselines = dict(zip(WAYS, (from_reference(records_of(pool, reference), run), week), strict=True))
        for scenario, asked in questions.items():
            rows = pool.vectors[asked, 0]
            vectors = rows @ turn[scenario] if scenario in turn else rows
            for way, baseline in baselines.items():
                readings = measure(baseline, records_of(pool, asked), vectors)
                seen.append(Seen(run, scenario, way, decide(readings)))
    return seen


@dataclass(frozen=True)
class SizeTask:
    """Quiet windows of one size, against one baseline."""

    pool: str
    way: Way
    m: int
    seed: int
    windows: int


def judge_quiet(task: SizeTask) -> list[dict[str, float]]:
    """Return the log p-values of every quiet window."""
    pool = _pool(task.pool)
    topics = held_out(pool)
    traffic = Traffic(pool, without=topics[task.seed % len(topics)])
    rng = np.random.default_rng([task.seed, task.m, WAYS.index(task.way)])
    if task.way == "same reference":
        n = max(1000, task.m)  # below some hundred vectors no baseline is taken at all
        baseline = from_reference(records_of(pool, traffic.draw(rng, 0, n).questions), task.seed)
    else:
        baseline = make_baseline(traffic, 800 + task.seed, task.m)
    draws = (traffic.draw(rng, number, task.m).questions for number in range(task.windows))
    return [decide(measure(baseline, records_of(pool, asked), pool.vectors[asked, 0])) for asked in draws]


def records_of(pool: Pool, questions: NDArray[np.int64]) -> list[Record]:
    """Return the records of the questions as they stand."""
    return list(pool.take(questions))


@cache
def _pool(name: str) -> Pool:
    return load_pool(name)
