"""What each detector sees that the others miss: one window of 1,000 under drifts of a known size, at alpha = 1%."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from benchmarks.detection.campaign import spread
from benchmarks.detection.drifts import Surface, drifts, records
from benchmarks.detection.pool import EPOCH, load_pool
from benchmarks.detection.simulation import DETECTORS, QUARTER
from benchmarks.torture.report import figure
from monitor.baseline import Baseline
from monitor.baseline.build import WindowData
from monitor.baseline.features import needed, profile_features
from monitor.baseline.window_profile import profile_log, profile_queries
from monitor.judge.runner import measure_all
from monitor.pipeline import Collection
from monitor.profile import merge_all
from monitor.protocols import Detector
from monitor.records import FloatArray, Record, Rejection, Sample, Window
from monitor.reference import take_baseline
from monitor.wiring import wire_detectors

M = 1000
ALPHA = 0.01
RUNS = 100
BASELINE_WINDOWS = 20
ADDED = ("domain_classifier", "variance_shift", "norm_shift", "duplicate_rate", "feedback")
COLUMNS = ("top1", "mean", "margin")


def streams() -> tuple[Detector, ...]:
    """Return the default detectors of a collection that has a log only, and all others that read a log."""
    more = wire_detectors({name: {} for name in ADDED}, index=False, suite=False, canaries=False)
    shapes = [
        wire_detectors(
            {"score_anderson_darling": {"column": column}}, index=False, suite=False, canaries=False
        )[-1]
        for column in COLUMNS
    ]
    return (*more, *shapes)


@dataclass(frozen=True)
class Quiet:
    """A log of quiet windows."""

    surface: Surface
    seed: int

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        """Yield the window's records, those that come twice as well."""
        number = round((start - EPOCH) / (end - start))
        asked = self.surface.ask(np.random.default_rng([self.seed, number]), M)
        log = records(asked, f"{self.seed}-{number}")
        yield from log
        yield from log[: asked.duplicates]

    def describe(self) -> str:
        """Say what it is."""
        return "quiet"


@dataclass(frozen=True)
class Task:
    pool: str
    runs: int


def seek(task: Task) -> dict[str, dict[str, float]]:
    """Return per drift the share of windows in which each stream's p-value is at most alpha."""
    detectors, runs = streams(), task.runs
    surface, new = split(task.pool)
    collection = Collection("log", Quiet(surface, 3), detectors, sample_size=M)
    spans = [Window("log", EPOCH + i * QUARTER, EPOCH + (i + 1) * QUARTER) for i in range(BASELINE_WINDOWS)]
    # What a detector sees by itself: its analytic law, which is right for independent questions.
    baseline = replace(take_baseline(collection, spans, seed=1).baseline, dispersion={})
    found: dict[str, dict[str, float]] = {}
    for place, (name, drift) in enumerate(drifts(surface, new).items()):
        below = defaultdict[str, int](int)
        for run in range(runs):
            rng = np.random.default_rng([4, place, run])
            asked = drift(rng, surface.ask(rng, M))
            log = records(asked, "w")
            window = WindowData(
                Sample(tuple(log), M + asked.duplicates, duplicates=asked.duplicates),
                asked.vectors,
                tuple(r.id for r in log),
                spans[0],
            )
            for key, log_p in judge(baseline, detectors, window).items():
                below[key] += log_p <= math.log(ALPHA)
        found[name] = {key: count / runs for key, count in below.items()}
    return found


def split(name: str) -> tuple[Surface, FloatArray]:
    """Return the pool without its largest topic, and the shares of that topic's questions."""
    pool = load_pool(name)
    left_out = int(np.bincount(pool.topics).argmax())
    ordinary = (pool.topics != left_out).astype(np.float64)
    strange = 1.0 - ordinary
    return Surface(pool, ordinary / ordinary.sum()), strange / strange.sum()


def judge(baseline: Baseline, detectors: Sequence[Detector], window: WindowData) -> dict[str, float]:
    """Return the log p-value per stream."""
    profile = merge_all(
        baseline.basis,
        [
            profile_log(baseline, window.sample),
            profile_queries(baseline, window.vectors),
            profile_features(baseline, needed(detectors), window),
        ],
    )
    return {
        reading.key: reading.log_p
        for reading in measure_all(detectors, baseline, profile)
        if reading.log_p is not None
    }


def run(pools: Sequence[str], *, quick: bool = False, workers: int | None = None) -> list[dict[str, Any]]:
    """Return the shares per pool, drift and stream; of nothing they should be alpha."""
    default = {d.name + "." + d.signal for d in DETECTORS}
    figures = []
    found = spread(seek, [Task(pool, 20 if quick else RUNS) for pool in pools], workers)
    for pool, shares_of in zip(pools, found, strict=True):
        for drift, shares in shares_of.items():
            order = sorted(shares, key=lambda key: (key not in default, key))
            figures += [figure(f"{pool}, {drift}: {key}", shares[key], "share") for key in order]
    return figures
