from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from monitor.stats.quadratic_form import log_weighted_chi2_sf, with_effective_dimensions


@pytest.mark.parametrize(("dof", "error"), [(2, 0.04), (5, 0.012), (30, 1e-3), (384, 1e-4)])
def test_equal_weights_are_the_chi_square_law(dof: int, error: float) -> None:
    for p in (0.99, 0.5, 0.1, 1e-3, 1e-6, 1e-12):
        x = float(stats.chi2.isf(p, dof))
        ours = log_weighted_chi2_sf(x, np.ones(dof))
        assert abs(math.expm1(ours - float(stats.chi2.logsf(x, dof)))) < error


@pytest.mark.parametrize("noise_dof", [60, 1000])
def test_an_estimated_scale_makes_it_the_f_law(noise_dof: int) -> None:
    for p in (0.5, 0.01, 1e-6):
        x = float(stats.f.isf(p, 30, noise_dof))
        ours = log_weighted_chi2_sf(x, np.full(30, 1.0 / 30.0), noise_dof)
        assert abs(math.expm1(ours - float(stats.f.logsf(x, 30, noise_dof)))) < 2e-3


def test_unequal_weights_agree_with_imhofs_integral() -> None:
    weights = np.geomspace(1.0, 0.001, 60)

    def imhof(x: float) -> float:
        def integrand(u: float) -> float:
            angle = 0.5 * float(np.sum(np.arctan(weights * u))) - 0.5 * x * u
            return math.sin(angle) * math.exp(-0.25 * float(np.sum(np.log1p((weights * u) ** 2)))) / u

        return 0.5 + float(integrate.quad(integrand, 0.0, np.inf, limit=2000, epsabs=1e-12)[0]) / math.pi

    mean = float(weights.sum())
    for x in (0.8 * mean, mean, 1.5 * mean, 2.5 * mean):
        assert math.exp(log_weighted_chi2_sf(x, weights)) == pytest.approx(imhof(x), rel=0.05)


def test_the_tail_is_that_of_simulation() -> None:
    weights = np.array([0.5, 0.2, 0.1, *[0.01] * 20])
    draws = np.random.default_rng(0).normal(size=(200_000, len(weights))) ** 2 @ weights
    for level in (0.1, 0.01, 0.001):
        x = float(np.quantile(draws, 1.0 - level))
        assert math.exp(log_weighted_chi2_sf(x, weights)) == pytest.approx(level, rel=0.12)


@given(
    st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=40),
    st.floats(1e-3, 50.0),
    st.sampled_from([4.0, 100.0, math.inf]),
)
def test_it_is_a_finite_probability_that_falls(weights: list[float], ratio: float, noise_dof: float) -> None:
    w = np.array(weights)
    near, far = (log_weighted_chi2_sf(ratio * k * float(w.sum()), w, noise_dof) for k in (1.0, 1.5))
    assert math.isfinite(near)
    assert far <= near + 1e-9 <= 1e-9


def test_ends_and_nonsense() -> None:
    one = np.ones(3)
    assert log_weighted_chi2_sf(0.0, one) == 0.0
    assert log_weighted_chi2_sf(math.inf, one) == -math.inf
    assert log_weighted_chi2_sf(1e9, one) < -1e8
    with pytest.raises(ValueError, match="not a number"):
        log_weighted_chi2_sf(math.nan, one)
    for bad in (np.zeros(3), np.array([1.0, -1.0]), np.array([np.nan])):
        with pytest.raises(ValueError, match="weights"):
            log_weighted_chi2_sf(1.0, bad)


@given(st.lists(st.floats(0.01, 10.0), min_size=2, max_size=30, unique=True), st.floats(1.0, 30.0))
def test_weights_take_the_effective_dimensions_that_are_asked_for(weights: list[float], dof: float) -> None:
    w = np.array(weights)
    shaped = with_effective_dimensions(w, dof)
    assert float(shaped.sum()) == pytest.approx(1.0)
    assert np.all(shaped >= 0.0)
    assert 1.0 / float(np.sum(shaped**2)) == pytest.approx(min(dof, len(w)), rel=1e-3)
    assert np.all(np.diff(shaped[np.argsort(w)]) >= -1e-12)
