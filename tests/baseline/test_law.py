from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.baseline import Dispersion
from monitor.baseline.law import dispersed_log_p, noise_factor
from monitor.stats.null_laws import log_chi2_sf


@pytest.mark.parametrize("dispersion", [None, Dispersion(), Dispersion(9.0, 0.1, 0)])
def test_without_calibration_the_analytic_law_stands(dispersion: Dispersion | None) -> None:
    assert dispersed_log_p(25.0, 9.0, dispersion) == log_chi2_sf(25.0, 9.0)


def test_a_great_many_calm_windows_confirm_the_analytic_law() -> None:
    calm = dispersed_log_p(25.0, 9.0, Dispersion(1.0, 1.0, 100_000))
    assert calm == pytest.approx(log_chi2_sf(25.0, 9.0), rel=0.01)


def test_few_windows_leave_more_room_than_many() -> None:
    tails = [dispersed_log_p(60.0, 9.0, Dispersion(2.0, 1.0, windows)) for windows in (8, 30, 300)]
    assert tails == sorted(tails, reverse=True)


def test_p_values_are_uniform_under_the_law_that_was_fitted() -> None:
    # statistic / dof = factor * chi2(share dof) / (share dof)
    rng = np.random.default_rng(0)
    factor, share, dof = 2.5, 0.4, 20.0
    statistics = dof * factor * rng.chisquare(share * dof, size=4000) / (share * dof)
    p = np.exp([dispersed_log_p(s, dof, Dispersion(factor, share, 10_000)) for s in statistics])
    for level in (0.01, 0.05, 0.5):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / 4000))


def test_the_noise_is_that_of_quiet_history() -> None:
    assert noise_factor(None) == 1.0
    assert noise_factor(Dispersion(2.5, 0.4, 20)) == 2.5
