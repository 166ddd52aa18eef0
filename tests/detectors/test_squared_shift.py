from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.baseline import Dispersion
from monitor.detectors.squared_shift import judge_shift


def test_its_statistic_has_the_mean_of_its_degrees_of_freedom() -> None:
    rng = np.random.default_rng(1)
    weights = np.array([3.0, 1.0, 1.0, 0.5, 0.1])
    shifts = (rng.normal(size=(20_000, 5)) ** 2) @ weights
    judged = [judge_shift(float(s), weights, None) for s in shifts]
    assert float(np.mean([j.statistic / j.dof for j in judged])) == pytest.approx(1.0, abs=0.03)
    assert float(np.mean([j.log_p <= math.log(0.05) for j in judged])) == pytest.approx(0.05, abs=0.01)


def test_over_dispersion_raises_p() -> None:
    weights = np.ones(20)
    assert judge_shift(60.0, weights, Dispersion(2.0, 1.0, 30)).log_p > judge_shift(60.0, weights, None).log_p


def test_what_never_varied_decides_nothing() -> None:
    assert judge_shift(1.0, np.zeros(3), None).log_p == 0.0
    assert judge_shift(1.0, np.zeros(0), None).log_p == 0.0
