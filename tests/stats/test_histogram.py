from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from monitor.stats.histogram import count_bins, js, kl, psi, quantile_edges

any_floats = st.one_of(
    arrays(np.float64, st.integers(0, 60), elements=st.floats(width=64)),
    arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32)),
    arrays(np.float16, st.integers(0, 60), elements=st.floats(width=16)),
)
counts = st.integers(1, 12).flatmap(
    lambda bins: st.tuples(*[arrays(np.int64, bins, elements=st.integers(0, 10**6))] * 2)
)


def by_search(values: NDArray[Any], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    finite = values[np.isfinite(values)].astype(np.float64)
    return np.bincount(np.searchsorted(edges, finite, side="right"), minlength=len(edges) + 1)


@given(any_floats, arrays(np.float64, st.integers(0, 50), elements=st.floats(-1e300, 1e300), unique=True))
def test_counts_what_searchsorted_counts(values: NDArray[Any], edges: NDArray[np.float64]) -> None:
    edges = np.sort(edges)
    assert_array_equal(count_bins(values, edges), by_search(values, edges))


@given(any_floats.filter(lambda values: values.size > 0), st.integers(1, 50))
def test_values_on_an_edge_fall_above_it(values: NDArray[Any], bins: int) -> None:
    edges = quantile_edges(values, bins)
    assert_array_equal(count_bins(values, edges), by_search(values, edges))


@pytest.mark.parametrize("bins", [10, 60])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_the_same_over_many_chunks(dtype: type, bins: int) -> None:
    values: NDArray[Any] = np.random.default_rng(bins).normal(size=300_000).astype(dtype)
    values[::1000] = np.nan
    edges = quantile_edges(values[:5000], bins)
    assert_array_equal(count_bins(values, edges), by_search(values, edges))


def test_an_edge_between_two_float32_numbers_parts_them() -> None:
    low = np.float32(0.1)
    high = np.nextafter(low, np.float32(1))
    between = (float(low) + float(high)) / 2
    assert count_bins(np.array([low, high]), np.array([between])).tolist() == [1, 1]
    assert count_bins(np.array([low, high]), np.array([float(high)])).tolist() == [1, 1]


def test_counts_no_values() -> None:
    assert count_bins(np.empty(0, dtype=np.float32), np.array([0.5])).tolist() == [0, 0]
    assert count_bins(np.array([np.nan, np.inf, -np.inf, 2.0]), np.empty(0)).tolist() == [1]


def test_quantile_edges_fill_bins_equally() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    found = count_bins(values, quantile_edges(values, 10))
    assert found.tolist() == [1000] * 10


def test_quantile_edges_of_the_largest_numbers_stay_finite() -> None:
    values = np.array([-1.7e308, 1.7e308] * 4)
    assert quantile_edges(values, 3).tolist() == [-1.7e308, 1.7e308]


@given(any_floats, st.integers(1, 30))
def test_quantile_edges_are_finite_ascending_and_unique(values: NDArray[Any], bins: int) -> None:
    edges = quantile_edges(values, bins)
    assert edges.dtype == np.float64
    assert len(edges) <= bins - 1
    assert np.isfinite(edges).all()
    assert (edges[1:] > edges[:-1]).all()


def test_ties_collapse() -> None:
    assert quantile_edges(np.array([0.0] * 90 + [1.0] * 10), 10).tolist() == [0.0, 1.0]
    assert quantile_edges(np.full(50, 3.0), 10).tolist() == [3.0]
    with pytest.raises(ValueError, match="at least one"):
        quantile_edges(np.ones(3), 0)


@given(counts)
def test_divergences_are_finite_and_never_negative(pair: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    window, baseline = pair
    for divergence in (psi, kl, js):
        assert divergence(window, window) == 0.0
        assert 0.0 <= divergence(window, baseline) < math.inf
    assert js(window, baseline) <= math.log(2)
    assert_allclose(js(window, baseline), js(baseline, window), atol=1e-12)
    # PSI is Jeffreys' divergence: both directions of KL together.
    assert_allclose(psi(window, baseline), kl(window, baseline) + kl(baseline, window), rtol=1e-9, atol=1e-12)


def test_divergences_by_hand() -> None:
    window, baseline = np.array([1, 2]), np.array([0, 5])
    p, q = (1.5 / 4, 2.5 / 4), (0.5 / 6, 5.5 / 6)
    by_hand = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert_allclose(kl(window, baseline), by_hand, rtol=1e-12)
    assert_allclose(psi(window, baseline), sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True)))
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    halves = [sum(a * math.log(a / m) for a, m in zip(side, middle, strict=True)) for side in (p, q)]
    assert_allclose(js(window, baseline), sum(halves) / 2)


def test_psi_without_drift_follows_its_law() -> None:
    rng = np.random.default_rng(11)
    n, m, bins = 5000, 500, 10
    draws = [
        psi(rng.multinomial(m, [0.1] * bins), rng.multinomial(n, [0.1] * bins)) / (1 / n + 1 / m)
        for _ in range(2000)
    ]
    assert_allclose(np.mean(draws), bins - 1, rtol=0.05)
    assert_allclose(np.var(draws), 2 * (bins - 1), rtol=0.2)


def test_refuses_other_bins() -> None:
    with pytest.raises(ValueError, match="different bins"):
        psi(np.array([1, 2]), np.array([1, 2, 3]))
