from __future__ import annotations

import numpy as np
import pytest

from monitor.stats.anderson_darling import anderson_darling


def test_with_a_bin_per_value_it_is_pettitts_statistic() -> None:
    rng = np.random.default_rng(1)
    window, baseline = rng.normal(size=300), rng.normal(0.3, 1.0, size=900)
    pooled = np.sort(np.concatenate([window, baseline]))
    counts = [np.bincount(np.searchsorted(pooled, x, side="right"))[1:] for x in (window, baseline)]
    ours, _ = anderson_darling(*(np.resize(np.append(c, [0] * 1200), 1200) for c in counts))
    # A2 = 1/(mn) sum_i (M_i N - i m)^2 / (i (N - i)), M_i of the window among the i smallest of all N.
    i, n, m = np.arange(1, 1200), 1200, 300
    below = np.searchsorted(np.sort(window), pooled[:-1], side="right")
    pettitt = float(np.sum((below * n - i * m) ** 2 / (i * (n - i)))) / (m * (n - m))
    assert ours == pytest.approx(pettitt, rel=1e-9)


def test_its_weights_are_the_mean_and_variance_of_quiet_tables() -> None:
    rng = np.random.default_rng(2)
    shares = rng.dirichlet(np.full(20, 2.0))
    drawn = [
        anderson_darling(rng.multinomial(300, shares), rng.multinomial(3000, shares)) for _ in range(3000)
    ]
    found = np.array([statistic for statistic, _ in drawn])
    weights = drawn[0][1]
    assert float(found.mean()) == pytest.approx(float(weights.sum()), rel=0.05)
    assert float(found.var()) == pytest.approx(2.0 * float(np.sum(weights**2)), rel=0.15)


def test_the_weights_tend_to_those_of_anderson_and_darling() -> None:
    _, weights = anderson_darling(np.full(2000, 1), np.full(2000, 1))
    np.testing.assert_allclose(weights[:4], [1 / 2, 1 / 6, 1 / 12, 1 / 20], rtol=0.02)


@pytest.mark.parametrize(
    ("window", "baseline"), [([0, 0], [1, 2]), ([1, 2], [0, 0]), ([0, 5], [0, 9]), ([3], [4])]
)
def test_nothing_to_compare_is_no_distance(window: list[int], baseline: list[int]) -> None:
    statistic, weights = anderson_darling(np.array(window), np.array(baseline))
    assert statistic == 0.0
    assert weights.size == 0
