"""Baselines and windows out of drawn traffic, by the product's own functions: what is measured is what ships."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Collection as Some
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from benchmarks.detection.pool import EPOCH
from benchmarks.detection.traffic import WINDOWS_A_DAY, Drawn, Traffic
from monitor.baseline import Baseline
from monitor.baseline.rhythm import match_hours
from monitor.baseline.window_profile import profile_log, profile_queries
from monitor.config import CollectionConfig
from monitor.judge.evidence import Budget, update_evidence
from monitor.judge.runner import measure_all
from monitor.judge.spans import Past, due_spans, measure_spans
from monitor.judge.verdict import judge
from monitor.pipeline import Collection
from monitor.profile import Profile, merge
from monitor.protocols import Detector
from monitor.records import Evidence, Reading, Record, Records, Rejection, Sample, Verdict, Window
from monitor.reference import take_baseline
from monitor.wiring import count_streams, wire_detectors, wire_spans

QUARTER = timedelta(minutes=15)
"""The default window."""
DETECTORS: tuple[Detector, ...] = wire_detectors({}, index=False, suite=False, canaries=False)
"""What a collection with nothing but a log runs by default."""
SPANS = wire_spans(DETECTORS, CollectionConfig(source={}).spans)
BUDGET = Budget()
THRESHOLD = BUDGET.log_threshold(QUARTER, count_streams(DETECTORS, SPANS))
FALSE_PER_WINDOW = BUDGET.false_pages / (BUDGET.per / QUARTER)
"""Incidents per window that the default budget allows a deployment of one collection."""
BASELINE_DAYS, DAYS_OF_LARGE = 7, 2
"""Windows of more than ``SAMPLE_SIZE`` records are drawn for fewer days: the simulation makes every record anew."""
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
        for records in self.read_columns(start, end):
            yield from records

    def read_columns(self, start: datetime, end: datetime) -> Iterator[Records]:
        """Yield the window's records in columns."""
        number = round((start - EPOCH) / (end - start))
        drawn = self.traffic.draw(np.random.default_rng([self.seed, number]), number, self.m)
        # The id's hash decides which half of the baseline a record is in.
        ids = [f"{self.seed}-{number}-{i}" for i in range(self.m)]
        yield dataclasses.replace(_records(self.traffic, drawn), ids=ids, times=[start] * self.m)

    def describe(self) -> str:
        """Say what it is."""
        return f"{self.traffic.kind} traffic"


def make_baseline(traffic: Traffic, seed: int, m: int) -> Baseline:
    """Return the baseline that ``driftmon baseline build`` would take from a week of such windows."""
    collection = Collection("log", Log(traffic, seed, m), DETECTORS, SPANS, sample_size=max(SAMPLE_SIZE, m))
    days = BASELINE_DAYS if m <= SAMPLE_SIZE else DAYS_OF_LARGE
    spans = [
        Window("log", EPOCH + i * QUARTER, EPOCH + (i + 1) * QUARTER) for i in range(days * WINDOWS_A_DAY)
    ]
    return take_baseline(collection, spans, seed=seed).baseline


def profile(traffic: Traffic, baseline: Baseline, drawn: Drawn) -> Profile:
    """Return a window's profile."""
    records = _records(traffic, drawn)
    vectors = traffic.pool.vectors[drawn.questions, drawn.wordings]
    return merge(profile_log(baseline, Sample(records, len(records))), profile_queries(baseline, vectors))


@dataclass
class Watch:
    """Evidence and incidents of one collection, window after window, as :func:`monitor.pipeline.walk` has them."""

    traffic: Traffic
    baseline: Baseline
    threshold: float = THRESHOLD
    evidence: tuple[Evidence, ...] = ()
    incidents: int = 0
    open: bool = False
    readings: tuple[Reading, ...] = ()
    past: deque[Past] = field(default_factory=lambda: deque(maxlen=max(s.windows for s in SPANS) - 1))

    def see(self, number: int, drawn: Drawn) -> Verdict:
        """Measure and judge the next window; an incident opens with the first window in drift."""
        window = Window("log", EPOCH + number * QUARTER, EPOCH + (number + 1) * QUARTER)
        seen = profile(self.traffic, self.baseline, drawn)
        matched = match_hours(self.baseline, [(window, 1.0)])
        self.readings = measure_all(DETECTORS, matched, seen) + measure_spans(
            due_spans(SPANS, self.baseline, window), self.baseline, window, seen, self.past
        )
        self.past.append(Past(window, seen))
        return self.judge(self.readings, {s.key for s in SPANS if not s.due(window)})

    def judge(self, readings: tuple[Reading, ...], idle: Some[str] = ()) -> Verdict:
        """Judge the next window's readings."""
        self.evidence = update_evidence(self.evidence, readings, self.threshold, idle)
        verdict = judge(readings, self.evidence)
        self.incidents += verdict.state == "drift" and not self.open
        self.open = verdict.state == "drift"
        return verdict


def _records(traffic: Traffic, drawn: Drawn) -> Records:
    return traffic.pool.take(drawn.questions, drawn.wordings)
