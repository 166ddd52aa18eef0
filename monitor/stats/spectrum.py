"""The spectrum of a covariance: how the squared shift of a mean of several numbers scatters by chance."""

from __future__ import annotations

import numpy as np

from monitor.stats.arrays import FloatArray


def mean_spectrum(rows: FloatArray) -> FloatArray:
    """Return weights w such that ``|mean of M rows - expectation|^2 M`` scatters like ``sum_i w_i Z_i^2``.

    Parameters
    ----------
    rows : FloatArray
        ``(n, k)`` independent observations, n >= 2.

    Returns
    -------
    ndarray, (k,) float64
        Not negative, descending; their sum is the unbiased ``tr C``, and that of their squares the estimate of
        ``tr C^2`` below, as far as weights can.

    Notes
    -----
    The eigenvalues of the sample covariance C. With n not far above k they spread too wide; their squares add up to
    ``tr C^2 + (tr C)^2 / n``, roughly (Bai and Saranadasa 1996). So they are drawn towards their mean until that excess
    is gone, which keeps the sum.

    Examples
    --------
    >>> rows = np.random.default_rng(1).normal(size=(300, 100))
    >>> w = mean_spectrum(rows)
    >>> bool(abs(w.sum() - 100) < 2), bool(abs(np.sum(w**2) - 100) < 5)
    (True, True)
    """
    x = np.asarray(rows, dtype=np.float64)
    n = len(x)
    centred = x - x.mean(axis=0)
    values = np.linalg.eigvalsh(centred.T @ centred / (n - 1))[::-1].clip(0.0)
    mean = float(values.mean())
    spread = float(np.sum((values - mean) ** 2))
    if spread <= 0.0:
        return np.asarray(values, dtype=np.float64)
    excess = float(values.sum()) ** 2 / (n - 1)
    keep = np.sqrt(max(0.0, spread - excess) / spread)
    drawn: FloatArray = mean + keep * (values - mean)
    return drawn


def effective_number(weights: FloatArray) -> float:
    """Return ``(sum w)^2 / sum w^2``: how many equal weights scatter as much; 1.0 for weights that are all zero.

    >>> effective_number(np.array([2.0, 2.0, 0.0]))
    2.0
    """
    w = np.asarray(weights, dtype=np.float64)
    squares = float(np.sum(w * w))
    return float(w.sum()) ** 2 / squares if squares > 0.0 else 1.0
