"""Detectors beyond the default set: quiet windows alarm as often as they say, and drift of a known size is found."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from monitor.baseline import Baseline, WindowData
from monitor.baseline.features import add_features
from monitor.detectors.duplicate_rate import DuplicateRate
from monitor.detectors.feedback import Feedback
from monitor.detectors.norm_shift import NormShift
from monitor.detectors.score_anderson_darling import ScoreAndersonDarling
from monitor.detectors.variance_shift import VarianceShift
from monitor.judge.runner import measure_all
from monitor.protocols import Detector
from monitor.records import FloatArray, Record, VectorArray
from tests.core_fakes import world

pytestmark = pytest.mark.power

DETECTORS: tuple[Detector, ...] = (
    VarianceShift(),
    NormShift(),
    ScoreAndersonDarling("top1"),
    ScoreAndersonDarling("margin"),
    DuplicateRate(),
    Feedback(),
)
RUNS = 400
AGAIN = 0.05


def window(seed: int, m: int, prefix: str = "w") -> WindowData:
    """A quiet window whose norms scatter, and of which a twentieth of the entries comes twice."""
    rng = np.random.default_rng([7, seed])
    data = world.make_window(rng, m, f"{prefix}{seed}")
    lengths = np.exp(0.1 * rng.normal(size=(m, 1)))
    again = int(rng.binomial(m, AGAIN))
    return WindowData(
        replace(data.sample, seen=m + again, duplicates=again),
        (data.vectors * lengths).astype(np.float32),
        data.ids,
        data.window,
    )


@cache
def baseline() -> Baseline:
    windows = [window(i, 1000, "b") for i in range(20)]
    return add_features(*world.build(windows), windows, world.FEATURES)[0]


def p_values(data: WindowData) -> FloatArray:
    readings = measure_all(DETECTORS, baseline(), world.make_profile(baseline(), data))
    assert all(r.status == "ok" for r in readings), readings
    return np.array([r.p_value for r in readings], dtype=np.float64)


@cache
def quiet(m: int) -> FloatArray:
    return np.stack([p_values(window(1000 + i, m)) for i in range(RUNS)])


@pytest.mark.parametrize("level", [0.01, 0.05])
@pytest.mark.parametrize("m", [200, 600])
@pytest.mark.parametrize("which", range(len(DETECTORS)), ids=[f"{d.name}.{d.signal}" for d in DETECTORS])
def test_quiet_windows_alarm_as_often_as_they_say(which: int, m: int, level: float) -> None:
    alarms = int((quiet(m)[:, which] <= level).sum())
    low, high = (float(stats.binom.ppf(q, RUNS, level)) for q in (1e-3, 1 - 1e-4))
    # Counts are whole: a p-value of few duplicates is below the level less often than it might.
    low = 0.0 if DETECTORS[which].name == "duplicate_rate" else low
    assert low <= alarms <= high, f"{alarms} of {RUNS} at {level}"


def records(data: WindowData, change: Callable[[Record], Record]) -> WindowData:
    return replace(data, sample=replace(data.sample, records=tuple(change(r) for r in data.sample.records)))


def noised(data: WindowData) -> WindowData:
    noise = np.random.default_rng(1).normal(scale=0.07, size=data.vectors.shape)
    moved: VectorArray = (data.vectors + noise).astype(np.float32)
    return replace(data, vectors=moved)


def lower(record: Record) -> Record:
    assert record.scores is not None
    return replace(record, scores=tuple(s - 0.01 for s in record.scores))


def closer(record: Record) -> Record:
    assert record.scores is not None
    best = record.scores[0]
    return replace(record, scores=tuple(best - 0.85 * (best - s) for s in record.scores))


def unclicked(record: Record) -> Record:
    spared = sum(record.id.encode()) % 4 > 0  # a quarter of the clicks is lost
    return replace(record, feedback={"clicked": record.feedback["clicked"] * spared})


DRIFTS: tuple[Callable[[WindowData], WindowData], ...] = (
    noised,
    lambda data: replace(data, vectors=(data.vectors * 1.04).astype(np.float32)),
    lambda data: records(data, lower),
    lambda data: records(data, closer),
    lambda data: replace(data, sample=replace(data.sample, duplicates=3 * data.sample.duplicates)),
    lambda data: records(data, unclicked),
)


@pytest.mark.parametrize("which", range(len(DETECTORS)), ids=[f"{d.name}.{d.signal}" for d in DETECTORS])
def test_drift_of_a_known_size_is_found_in_one_window_of_a_thousand(which: int) -> None:
    found = sum(
        math.log(max(1e-300, p_values(DRIFTS[which](window(5000 + i, 1000)))[which])) < math.log(0.01)
        for i in range(20)
    )
    assert found >= 18
