"""Baselines and windows out of drawn traffic, by the product's own functions: what is measured is what ships."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from benchmarks.detection.pool import EPOCH
from benchmarks.detection.traffic import WINDOWS_A_DAY, Drawn, Traffic
from monitor.baseline import Baseline
from monitor.baseline.window_profile import profile_log, profile_queries
from monitor.judge.evidence import Budget, update_evidence
from monitor.judge.runner import measure_all
from monitor.judge.verdict import judge
from monitor.pipeline import Collection
from monitor.profile import Profile, merge
from monitor.protocols import Detector
from monitor.records import Evidence, Reading, Record, Rejection, Sample, Verdict, Window
from monitor.reference import take_baseline
from monitor.wiring import wire_detectors

QUARTER = timedelta(minutes=15)
"""The default window."""
DETECTORS: tuple[Detector, ...] = wire_detectors({}, index=False, suite=False, canaries=False)
"""What a collection with nothing but a log runs by default."""
BUDGET = Budget()
THRESHOLD = BUDGET.log_threshold(QUARTER, len(DETECTORS))
FALSE_PER_WINDOW = BUDGET.false_pages / (BUDGET.per / QUARTER)
"""Incidents per window that the default budget allows a deployment of one collection."""
BASELINE_DAYS = 7
SAMPLE_SIZE = 1000
"""The default; larger windows are sampled whole here, so that their size is really tested."""


@dataclass(frozen=True)
class Log:
    """A log in memory of which every window is drawn when it is read; every record has an id of its own."""

    traffic: Traffic
    seed: int
    m: int

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        """Yield the window's records."""
        number = round((start - EPOCH) / (end - start))
        drawn = self.traffic.draw(np.random.default_rng([self.seed, number]), number, self.m)
        for i, record in enumerate(_records(self.traffic, drawn)):
            # The id's hash decides which half of the baseline a record is in.
            yield dataclasses.replace(record, id=f"{self.seed}-{number}-{i}", at=start)

    def describe(self) -> str:
        """Say what it is."""
        return f"{self.traffic.kind} traffic"


def make_baseline(traffic: Traffic, seed: int, m: int) -> Baseline:
    """Return the baseline that ``driftmon baseline build`` would take from a week of such windows."""
    collection = Collection("log", Log(traffic, seed, m), DETECTORS, sample_size=max(SAMPLE_SIZE, m))
    spans = [
        Window("log", EPOCH + i * QUARTER, EPOCH + (i + 1) * QUARTER)
        for i in range(BASELINE_DAYS * WINDOWS_A_DAY)
    ]
    return take_baseline(collection, spans, seed=seed).baseline


def measure(traffic: Traffic, baseline: Baseline, drawn: Drawn) -> tuple[Reading, ...]:
    """Return every detector's reading of a window."""
    records = _records(traffic, drawn)
    sample = Sample(tuple(records), len(records))
    vectors = traffic.pool.vectors[drawn.questions, drawn.wordings]
    profile: Profile = merge(profile_log(baseline, sample), profile_queries(baseline, vectors))
    return measure_all(DETECTORS, baseline, profile)


@dataclass
class Watch:
    """Evidence and incidents of one collection, window after window."""

    threshold: float = THRESHOLD
    evidence: tuple[Evidence, ...] = ()
    incidents: int = 0
    open: bool = False

    def judge(self, readings: tuple[Reading, ...]) -> Verdict:
        """Judge the next window; an incident opens with the first window in drift."""
        self.evidence = update_evidence(self.evidence, readings, self.threshold)
        verdict = judge(readings, self.evidence)
        self.incidents += verdict.state == "drift" and not self.open
        self.open = verdict.state == "drift"
        return verdict


def _records(traffic: Traffic, drawn: Drawn) -> list[Record]:
    rows = traffic.pool.records
    return [rows[q][w] for q, w in zip(drawn.questions.tolist(), drawn.wordings.tolist(), strict=True)]
