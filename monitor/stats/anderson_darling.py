"""The distance of two binned distributions that weighs tails and middle alike, and its law."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.stats.arrays import FloatArray


def anderson_darling(window: NDArray[Any], baseline: NDArray[Any]) -> tuple[float, FloatArray]:
    """Return the two-sample statistic A2 of two histograms over the same bins, and the weights of its law.

    Parameters
    ----------
    window, baseline : ndarray
        Counts ``(B,)`` of M and N values; both not empty.

    Returns
    -------
    statistic : float
    weights : ndarray, (at most B - 1,)
        Without drift the statistic scatters like ``sum_i w_i Z_i^2``; empty where all values share one bin.

    Notes
    -----
    ``A2 = MN/(M+N) sum_k (F_k - G_k)^2 / (H_k (1 - H_k)) h_k`` over the edges between bins that hold something, with
    the cumulative shares F, G of window and baseline, H of both together, and the mass ``h_k`` that stands for edge k:
    half of the bins on either side (Pettitt 1976, "A two-sample Anderson-Darling rank statistic"). Given the bins it is
    a quadratic form in the shares, whose covariance is ``H_j (1 - H_k)``, j <= k (Anderson and Darling 1952); the
    weights are its eigenvalues. With infinitely many bins they would be 1 / (i (i + 1)).

    Examples
    --------
    >>> statistic, weights = anderson_darling(np.full(64, 10), np.full(64, 200))
    >>> statistic, [round(float(w), 2) for w in weights[:3]]
    (0.0, [0.5, 0.17, 0.08])
    """
    w, b = np.asarray(window, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    m, n = float(w.sum()), float(b.sum())
    used = (w + b) > 0
    w, b = w[used], b[used]
    if m <= 0 or n <= 0 or len(w) < 2:
        return 0.0, np.zeros(0)
    mass = (w + b) / (m + n)
    h = np.cumsum(mass)[:-1]
    difference = np.cumsum(w)[:-1] / m - np.cumsum(b)[:-1] / n
    weight = (mass[:-1] + mass[1:]) / 2.0 / (h * (1.0 - h))
    statistic = m * n / (m + n) * float(np.sum(difference * difference * weight))
    covariance = np.minimum.outer(h, h) * (1.0 - np.maximum.outer(h, h))
    root = np.sqrt(weight)
    values = np.linalg.eigvalsh(root[:, None] * covariance * root[None, :])[::-1]
    return statistic, np.asarray(values.clip(0.0), dtype=np.float64)
