from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from monitor.stats import null_laws
from monitor.stats.null_laws import (
    likelihood_ratio_two_samples,
    log_binomial_sf,
    log_chi2_sf,
    log_f_sf,
    log_paired_loss,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DOFS = (0.5, 1.0, 2.0, 9.0, 63.0, 300.0)
F_DOFS = [(0.5, 4.0), (1.0, 20.0), (9.0, 4.0), (9.0, 200.0), (63.0, 1e4), (63.0, 4.0)]
SCIPY_ENDS = -600.0  # below this scipy's own tails underflow or lose digits


def crossing(law: Callable[[float], float], log_p: float) -> float:
    """The statistic at which ``law`` falls below ``log_p``, by bisection."""
    low, high = 1e-9, 1e-9
    while law(high) > log_p:
        high *= 2.0
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (middle, high) if law(middle) > log_p else (low, middle)
    return high


def assert_no_jump(law: Callable[[float], float]) -> None:
    """Equal steps up to and beyond the switch must lose equally much: a jump would be in one of them only."""
    switch = crossing(law, math.log(null_laws._UNDERFLOW))
    inside, here, beyond = (law(switch * factor) for factor in (1 - 1e-5, 1.0, 1 + 1e-5))
    assert inside > here > beyond
    assert inside - here == pytest.approx(here - beyond, rel=1e-3)


@pytest.mark.parametrize("dof", DOFS)
def test_chi_square_agrees_with_scipy(dof: float) -> None:
    for x in np.geomspace(1e-6, 1200.0, 300):
        expected = stats.chi2.logsf(x, dof)
        if expected > SCIPY_ENDS:
            assert log_chi2_sf(x, dof) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("dof", "noise_dof"), F_DOFS)
def test_f_agrees_with_scipy(dof: float, noise_dof: float) -> None:
    for x in np.geomspace(1e-3, 1e5, 300):
        expected = stats.f.logsf(x, dof, noise_dof)
        if expected > SCIPY_ENDS:
            assert log_f_sf(x, dof, noise_dof) == pytest.approx(expected, rel=1e-8, abs=1e-11)


@pytest.mark.parametrize("trials", [1, 10, 300, 10_000])
@pytest.mark.parametrize("probability", [1e-4, 0.01, 0.5, 0.97])
def test_binomial_agrees_with_scipy(trials: int, probability: float) -> None:
    for successes in sorted({0, 1, trials // 3, trials // 2, trials}):
        expected = stats.binom.logsf(successes - 1, trials, probability)
        if expected > SCIPY_ENDS:
            assert log_binomial_sf(successes, trials, probability) == pytest.approx(
                expected, rel=1e-9, abs=1e-10
            )


@pytest.mark.parametrize("log_p", [math.log(1e-12), -400 * math.log(10)])
def test_a_deep_tail_is_reached_and_is_right(log_p: float) -> None:
    # Two degrees of freedom have a closed form: log p = -x / 2.
    assert log_chi2_sf(-2.0 * log_p, 2.0) == pytest.approx(log_p, rel=1e-12)
    # So has F with two: p = (1 + 2 x / m)^(-m / 2).
    m = 30.0
    x = (math.exp(-2.0 * log_p / m) - 1.0) * m / 2.0
    assert log_f_sf(x, 2.0, m) == pytest.approx(log_p, rel=1e-12)


@pytest.mark.parametrize("dof", DOFS)
def test_chi_square_is_continuous_where_the_method_changes(dof: float) -> None:
    def law(x: float) -> float:
        return log_chi2_sf(x, dof)

    assert_no_jump(law)


@pytest.mark.parametrize(("dof", "noise_dof"), F_DOFS[1:])
def test_f_is_continuous_where_the_method_changes(dof: float, noise_dof: float) -> None:
    def law(x: float) -> float:
        return log_f_sf(x, dof, noise_dof)

    assert_no_jump(law)


@pytest.mark.parametrize("dof", DOFS)
def test_tails_only_fall(dof: float) -> None:
    grid = np.geomspace(1e-3, 1e6, 2000).tolist()
    chi2 = [log_chi2_sf(x, dof) for x in grid]
    f = [log_f_sf(x, dof, 40.0) for x in grid]
    for tail in (chi2, f):
        assert np.all(np.diff(tail) <= 1e-12)
        assert np.all(np.isfinite(tail))
        assert max(tail) <= 0.0


def test_f_tends_to_chi_square() -> None:
    assert log_f_sf(3.0, 10.0, 1e9) == pytest.approx(log_chi2_sf(30.0, 10.0), rel=1e-6)


@given(
    x=st.floats(0.0, 1e300),
    dof=st.floats(1e-3, 1e4),
    noise_dof=st.floats(4.0, 1e4),
)
def test_every_statistic_has_a_finite_log_p(x: float, dof: float, noise_dof: float) -> None:
    for log_p in (log_chi2_sf(x, dof), log_f_sf(x, dof, noise_dof)):
        assert math.isfinite(log_p)
        assert log_p <= 1e-12


@pytest.mark.parametrize("law", [lambda x: log_chi2_sf(x, 3.0), lambda x: log_f_sf(x, 3.0, 8.0)])
def test_the_ends_of_the_scale(law: Callable[[float], float]) -> None:
    assert law(-1.0) == law(0.0) == law(-math.inf) == 0.0
    assert law(math.inf) == -math.inf
    with pytest.raises(ValueError, match="not a number"):
        law(math.nan)


def test_binomial_at_the_edges() -> None:
    assert log_binomial_sf(0, 10, 0.0) == 0.0
    assert log_binomial_sf(1, 10, 0.0) == -math.inf
    assert log_binomial_sf(11, 10, 0.9) == -math.inf
    assert log_binomial_sf(10, 10, 1.0) == 0.0
    assert log_binomial_sf(0, 0, 0.5) == 0.0


def test_binomial_reaches_below_the_smallest_number() -> None:
    assert log_binomial_sf(5000, 5000, 1e-3) == pytest.approx(5000 * math.log(1e-3), rel=1e-12)


@given(lost=st.integers(0, 60), gained=st.integers(0, 60), same=st.integers(0, 20))
def test_paired_loss_is_the_exact_sign_test(lost: int, gained: int, same: int) -> None:
    before = np.full(lost + gained + same, 0.5)
    after = before.copy()
    after[:lost] -= 0.1
    after[lost : lost + gained] += 0.3
    log_p = log_paired_loss(before, after)
    if lost + gained == 0:
        assert log_p == 0.0
        return
    expected = stats.binomtest(lost, lost + gained, 0.5, alternative="greater").pvalue
    assert log_p == pytest.approx(math.log(expected), rel=1e-9, abs=1e-12)


def test_paired_loss_takes_rounding_for_no_change() -> None:
    before = np.array([0.1 + 0.2, 0.7, 0.3])
    after = np.array([0.3, 0.7, 0.1 + 0.2])
    assert log_paired_loss(before, after) == 0.0


@given(
    window=st.lists(st.integers(0, 50), min_size=2, max_size=12),
    baseline=st.lists(st.integers(1, 500), min_size=12, max_size=12),
)
def test_the_likelihood_ratio_is_scipys_over_williams_correction(
    window: list[int], baseline: list[int]
) -> None:
    w, b = np.array(window), np.array(baseline[: len(window)])
    statistic, dof = likelihood_ratio_two_samples(w, b)
    if w.sum() == 0:
        assert (statistic, dof) == (0.0, 0)
        return
    expected = stats.chi2_contingency(np.stack([w, b]), correction=False, lambda_="log-likelihood")
    assert dof == expected.dof
    total = w.sum() + b.sum()
    rows = total / w.sum() + total / b.sum() - 1.0
    columns = np.sum(np.minimum(total / (w + b), min(w.sum(), b.sum()))) - 1.0
    williams = 1.0 + rows * columns / (6.0 * total * dof)
    assert statistic == pytest.approx(expected.statistic / williams, rel=1e-9, abs=1e-9)


def test_the_likelihood_ratio_leaves_out_cells_that_are_empty_in_both() -> None:
    with_empty = likelihood_ratio_two_samples(np.array([3, 0, 7]), np.array([10, 0, 10]))
    assert with_empty == likelihood_ratio_two_samples(np.array([3, 7]), np.array([10, 10]))
    assert likelihood_ratio_two_samples(np.array([5, 0]), np.array([9, 0])) == (0.0, 0)


def test_a_cell_of_weighted_counts_that_holds_next_to_nothing_takes_no_power() -> None:
    w, b = np.array([40.0, 60.0, 0.0]), np.array([600.0, 400.0, 1e-9])
    statistic, dof = likelihood_ratio_two_samples(w, b)
    assert dof == 2
    assert statistic > 0.9 * likelihood_ratio_two_samples(w[:2], b[:2])[0]


def test_what_rounding_leaves_below_nothing_is_nothing() -> None:
    w, b = np.array([3.0, 4.0, 7.0]), np.array([10.0, -1e-13, 10.0])
    found = likelihood_ratio_two_samples(w, b)
    assert math.isfinite(found[0])
    assert found == likelihood_ratio_two_samples(w, np.maximum(b, 0.0))


@pytest.mark.parametrize(("cells", "asked"), [(8, 30), (8, 100), (32, 400), (32, 1000)])
def test_the_likelihood_ratio_keeps_its_level_to_a_thousandth(cells: int, asked: int) -> None:
    rng = np.random.default_rng(cells + asked)
    shares = rng.dirichlet(np.full(cells, 10.0))
    tables = zip(rng.multinomial(asked, shares, 20_000), rng.multinomial(60_000, shares, 20_000), strict=True)
    p = np.exp([log_chi2_sf(*likelihood_ratio_two_samples(w, b)) for w, b in tables])
    for level in (0.05, 0.01, 0.001):
        assert np.mean(p < level) < 1.5 * level


def test_the_continued_fraction_is_the_incomplete_gamma_function() -> None:
    for a, z in ((0.5, 40.0), (4.5, 60.0), (31.5, 200.0)):
        log_q = -z + a * math.log(z) - math.lgamma(a) + math.log(null_laws._legendre_fraction(a, z))
        assert log_q == pytest.approx(math.log(special.gammaincc(a, z)), rel=1e-12)
