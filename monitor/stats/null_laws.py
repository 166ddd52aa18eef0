"""Tail probabilities under no drift, in natural logarithms, so that 1e-12 and 1e-400 are both exact enough.

Every function returns a finite number (or ``-inf`` only where the probability is truly zero) and never NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from monitor.stats.arrays import FloatArray

_UNDERFLOW = 1e-280  # below this the ordinary tail functions lose digits; continue in log space


def log_chi2_sf(x: float, dof: float) -> float:
    """Return the logarithm of the upper tail of the chi-square law.

    Parameters
    ----------
    x : float
        The statistic; values <= 0 give 0.0 (p = 1), infinity gives ``-inf``.
    dof : float
        Degrees of freedom, > 0, not necessarily whole.

    Raises
    ------
    ValueError
        When ``x`` is not a number.

    Notes
    -----
    ``log Q(dof/2, x/2)``. Where ``Q`` underflows, Legendre's continued fraction is evaluated by Lentz' method
    (Press et al., Numerical Recipes, 3rd ed., section 6.2): ``Q = exp(-z + a ln z - ln Gamma(a)) * cf(z)``.

    Examples
    --------
    >>> round(log_chi2_sf(3.841458820694124, 1), 6) == round(math.log(0.05), 6)
    True
    >>> round(log_chi2_sf(5000.0, 2), 6)
    -2500.0
    """
    if not 0.0 < x < math.inf:
        return _log_sf_at_the_ends(x)
    a, z = dof / 2.0, x / 2.0
    q = float(special.gammaincc(a, z))
    if q > _UNDERFLOW:
        return math.log(q)
    return -z + a * math.log(z) - math.lgamma(a) + math.log(_legendre_fraction(a, z))


def _log_sf_at_the_ends(x: float) -> float:
    if math.isnan(x):
        raise ValueError("the statistic is not a number; a mean or a count that it rests on is not finite")
    return 0.0 if x <= 0.0 else -math.inf


def _legendre_fraction(a: float, z: float) -> float:
    b = z + 1.0 - a
    c, d = 1e300, 1.0 / b
    h = d
    for i in range(1, 10_000):
        an = -i * (i - a)
        b += 2.0
        d = 1.0 / (an * d + b)
        c = b + an / c
        h *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return h


def log_f_sf(x: float, dof: float, noise_dof: float) -> float:
    """Return the logarithm of the upper tail of Fisher's F law.

    The law of a chi-square statistic over an over-dispersion that was itself estimated with ``noise_dof`` degrees
    of freedom; it tends to ``log_chi2_sf(x * dof, dof)`` as ``noise_dof`` grows.

    Parameters
    ----------
    x : float
        The ratio; values <= 0 give 0.0 (p = 1), infinity gives ``-inf``.
    dof, noise_dof : float
        Degrees of freedom of numerator and denominator, > 0.

    Raises
    ------
    ValueError
        When ``x`` is not a number.

    Notes
    -----
    ``p = I_w(noise_dof/2, dof/2)`` with ``w = noise_dof / (noise_dof + dof x)``; where it underflows, the leading
    term of the incomplete beta function, ``w^a (1-w)^b / (a B(a, b))`` times its hypergeometric series (DLMF 8.17.8).

    Examples
    --------
    >>> round(math.exp(log_f_sf(4.964602743730711, 1, 10)), 9)
    0.05
    """
    if not 0.0 < x < math.inf:
        return _log_sf_at_the_ends(x)
    a, b = noise_dof / 2.0, dof / 2.0
    w = noise_dof / (noise_dof + dof * x)
    p = float(special.betainc(a, b, w))
    if p > _UNDERFLOW:
        return math.log(p)
    series, term = 1.0, 1.0
    for n in range(100_000):
        term *= w * (a + b + n) / (a + 1.0 + n)
        series += term
        if term < 1e-16 * series:
            break
    return a * math.log(w) + b * math.log1p(-w) - math.log(a) - float(special.betaln(a, b)) + math.log(series)


def log_binomial_sf(successes: int, trials: int, probability: float) -> float:
    """Return ``log P(X >= successes)`` for ``X ~ Binomial(trials, probability)``.

    Examples
    --------
    >>> round(math.exp(log_binomial_sf(9, 10, 0.5)), 10)
    0.0107421875
    """
    if successes <= 0:
        return 0.0
    if successes > trials or probability <= 0.0:
        return -math.inf
    if probability >= 1.0:
        return 0.0
    k = np.arange(successes, trials + 1, dtype=np.float64)
    log_terms = (
        special.gammaln(trials + 1.0)
        - special.gammaln(k + 1.0)
        - special.gammaln(trials - k + 1.0)
        + k * math.log(probability)
        + (trials - k) * math.log1p(-probability)
    )
    return min(0.0, float(special.logsumexp(log_terms)))


def log_paired_loss(before: FloatArray, after: FloatArray) -> float:
    """Return the log p-value of "queries of a suite did not get worse", by the exact paired sign test.

    Parameters
    ----------
    before, after : FloatArray
        One figure per query ``(n,)``, such as recall@K.

    Notes
    -----
    Queries that did not change say nothing; among the others, losses are Binomial(changed, 1/2) if nothing got
    worse (Dixon and Mood 1946; McNemar 1947). Exact for any n, and its tail reaches as deep as the suite is long,
    where a bootstrap of B draws ends at 1/B.

    Examples
    --------
    >>> log_paired_loss(np.ones(10), np.ones(10))
    0.0
    >>> round(math.exp(log_paired_loss(np.ones(10), np.zeros(10))), 6)
    0.000977
    """
    change = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    lost, gained = int(np.count_nonzero(change < -1e-12)), int(np.count_nonzero(change > 1e-12))
    return log_binomial_sf(lost, lost + gained, 0.5)


def pearson_two_samples(window: NDArray[Any], baseline: NDArray[Any]) -> tuple[float, int]:
    """Return Pearson's chi-square statistic of a 2 x K table and its degrees of freedom.

    Parameters
    ----------
    window, baseline : ndarray
        Counts ``(K,)`` per cell; cells empty in both are left out.

    Notes
    -----
    ``X2 = sum (O - E)^2 / E`` over both rows, ``dof = K' - 1``. Pearson's statistic, not the likelihood ratio G: at
    K = 64 and 200 observations G raises three times its nominal false alarms.

    Examples
    --------
    >>> statistic, dof = pearson_two_samples(np.array([30.0, 10.0]), np.array([100.0, 100.0]))
    >>> round(statistic, 6), dof
    (8.391608, 1)
    """
    window, baseline = np.asarray(window, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    m, n = float(window.sum()), float(baseline.sum())
    used = (window + baseline) > 0
    if m <= 0 or n <= 0 or int(used.sum()) < 2:
        return 0.0, 0
    w, b = window[used], baseline[used]
    # With two rows the sum over both collapses to one term per cell.
    difference = w * math.sqrt(n / m) - b * math.sqrt(m / n)
    return float(np.sum(difference * difference / (w + b))), int(used.sum()) - 1
