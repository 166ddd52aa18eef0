from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.detectors.domain_classifier import DomainClassifier
from monitor.detectors.duplicate_rate import DuplicateRate
from monitor.detectors.feedback import Feedback
from monitor.detectors.norm_shift import NormShift
from monitor.detectors.score_anderson_darling import ScoreAndersonDarling
from monitor.detectors.variance_shift import VarianceShift
from monitor.protocols import Detector
from tests.core_fakes import world

DETECTORS = (
    DomainClassifier(), VarianceShift(), ScoreAndersonDarling(), NormShift(), DuplicateRate(), Feedback()
)  # fmt: skip


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_a_baseline_without_the_feature_says_so(detector: Detector) -> None:
    baseline = world.full_baseline()
    profile = world.make_profile(baseline, world.make_window(np.random.default_rng(0), 300, "w"))
    reading = detector.measure(replace(baseline, features={}), profile)
    assert reading.status == "insufficient"
    assert "driftmon baseline build" in str(reading.detail["reason"])


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_too_few_records_are_insufficient_without_a_reason(detector: Detector) -> None:
    baseline = world.full_baseline()
    profile = world.make_profile(baseline, world.make_window(np.random.default_rng(0), 20, "w"))
    reading = detector.measure(baseline, profile)
    assert reading.status == "insufficient"
    assert "reason" not in reading.detail
    whole = world.make_profile(baseline, world.make_window(np.random.default_rng(0), 200, "w"))
    assert detector.measure(baseline, whole).status == "ok"
