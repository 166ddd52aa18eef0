from __future__ import annotations

import numpy as np
import pytest

from monitor.stats.spectrum import effective_number, mean_spectrum


def test_many_rows_give_the_eigenvalues_themselves() -> None:
    rng = np.random.default_rng(1)
    scales = np.array([3.0, 2.0, 1.0, 0.5])
    rows = rng.normal(size=(200_000, 4)) * scales
    np.testing.assert_allclose(mean_spectrum(rows), scales**2, rtol=0.03)


def test_few_rows_keep_the_trace_and_lose_the_excess_of_the_squares() -> None:
    rng = np.random.default_rng(2)
    scales = np.linspace(2.0, 0.2, 50)
    weights = [mean_spectrum(rng.normal(size=(120, 50)) * scales) for _ in range(60)]
    assert float(np.mean([w.sum() for w in weights])) == pytest.approx(float(np.sum(scales**2)), rel=0.02)
    squares = float(np.mean([np.sum(w**2) for w in weights]))
    assert squares == pytest.approx(float(np.sum(scales**4)), rel=0.05)
    assert all(w.min() >= 0.0 for w in weights)


def test_rows_that_never_vary_have_no_spectrum() -> None:
    assert mean_spectrum(np.ones((10, 3))).tolist() == [0.0, 0.0, 0.0]
    assert effective_number(np.zeros(3)) == 1.0
