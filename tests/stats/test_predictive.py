from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from monitor.stats.predictive import log_predictive_sf


@pytest.mark.parametrize(
    ("again", "trials", "before", "total"), [(3, 50, 1, 400), (30, 1000, 200, 20_000), (1, 9, 0, 0)]
)
def test_it_is_the_beta_binomial_tail(again: int, trials: int, before: int, total: int) -> None:
    exact = stats.betabinom.logsf(again - 1, trials, before + 0.5, total - before + 0.5)
    assert log_predictive_sf(again, trials, before, total) == pytest.approx(float(exact), rel=1e-5)


def test_its_ends() -> None:
    assert log_predictive_sf(0, 10, 3, 100) == 0.0
    assert log_predictive_sf(11, 10, 3, 100) == -math.inf
    assert -math.inf < log_predictive_sf(1000, 1000, 0, 100_000) < -1000.0


def test_a_p_value_below_five_per_cent_is_as_rare_as_it_says() -> None:
    rng = np.random.default_rng(3)
    below = sum(
        log_predictive_sf(int(rng.binomial(1000, 0.05)), 1000, int(rng.binomial(3000, 0.05)), 3000)
        <= math.log(0.05)
        for _ in range(1000)
    )
    # A little less than 5%: counts are whole.
    low, high = (float(stats.binom.ppf(q, 1000, 0.045)) for q in (1e-4, 1 - 1e-4))
    assert low <= below <= high
