from __future__ import annotations

import numpy as np
import pytest

from monitor.stats.arrays import FloatArray
from monitor.stats.quadratic_form import log_weighted_chi2_sf
from monitor.stats.shift_form import DIRECTIONS, ShiftForm, fit_shift_form

SCALE = np.geomspace(1.0, 0.02, 40)


def draw(rng: np.random.Generator, n: int, scale: FloatArray = SCALE) -> FloatArray:
    rows: FloatArray = rng.normal(size=(n, len(scale))) * scale
    return rows


def form(n: int = 4000, seed: int = 0) -> ShiftForm:
    rng = np.random.default_rng(seed)
    return fit_shift_form(draw(rng, n), draw(rng, n))


def test_a_form_has_mean_one_and_the_law_that_it_says() -> None:
    fitted, rng, n = form(), np.random.default_rng(1), 60
    ratios = np.array([n * fitted.measure(draw(rng, n).mean(axis=0)) for _ in range(4000)])
    assert float(ratios.mean()) == pytest.approx(1.0, rel=0.02)
    p = np.exp([log_weighted_chi2_sf(r, fitted.weights) for r in ratios])
    for level in (0.1, 0.01):
        assert float(np.mean(p < level)) == pytest.approx(level, rel=0.35)


@pytest.mark.parametrize("n", [30, 60, 200])
def test_few_rows_do_not_promise_less_scatter_than_there_is(n: int) -> None:
    """With fewer rows than dimensions the fitted covariance is singular; held-out rows tell the truth."""
    rng, alarms, runs = np.random.default_rng(2), 0, 400
    for seed in range(20):
        fitted = form(n, seed)
        for _ in range(runs // 20):
            ratio = 50 * fitted.measure(draw(rng, 50).mean(axis=0))
            alarms += log_weighted_chi2_sf(ratio, fitted.weights) < np.log(0.01)
    assert alarms / runs < 0.05


def test_a_narrow_direction_counts_for_more_than_its_variance() -> None:
    fitted = form()
    wide, narrow = np.zeros(40), np.zeros(40)
    wide[0], narrow[-1] = SCALE[0], SCALE[-1]
    euclidean = (SCALE[-1] / SCALE[0]) ** 2
    assert fitted.measure(narrow) / fitted.measure(wide) > 20 * euclidean
    assert fitted.effective_dimensions > 1.5 * float(np.sum(SCALE**2) ** 2 / np.sum(SCALE**4))


def test_more_dimensions_than_directions_are_one_block() -> None:
    rng = np.random.default_rng(0)
    scale = np.geomspace(1.0, 0.05, DIRECTIONS + 44)
    fitted = fit_shift_form(draw(rng, 2000, scale), draw(rng, 2000, scale))
    assert fitted.directions.shape == (DIRECTIONS, DIRECTIONS + 44)
    assert len(fitted.gains) == DIRECTIONS + 1
    ratios = [50 * fitted.measure(draw(rng, 50, scale).mean(axis=0)) for _ in range(500)]
    assert float(np.mean(ratios)) == pytest.approx(1.0, rel=0.05)


def test_rows_that_do_not_vary_have_a_form_all_the_same() -> None:
    same = np.ones((10, 4))
    fitted = fit_shift_form(same, same)
    assert np.isfinite(fitted.gains).all()
    assert fitted.weights.tolist() == [1.0]
    assert fitted.measure(np.zeros(4)) == 0.0
