"""Tails of a count whose own rate is only known from another count."""

from __future__ import annotations

import math

import numpy as np
from scipy import special


def log_predictive_sf(successes: int, trials: int, before: int, before_trials: int) -> float:
    """Return ``log P(X >= successes)`` of ``trials``, when ``before`` of ``before_trials`` were seen at the same rate.

    Parameters
    ----------
    successes, trials : int
        The window's count; ``successes <= trials``.
    before, before_trials : int
        The baseline's.

    Notes
    -----
    The beta-binomial law with Jeffreys' prior: ``q ~ Beta(before + 1/2, before_trials - before + 1/2)``, then
    ``X ~ Binomial(trials, q)``. It counts the noise of both (Gelman et al., Bayesian Data Analysis, 3rd ed., 2.4).

    Examples
    --------
    >>> round(math.exp(log_predictive_sf(5, 1000, 0, 0)), 2)  # nothing known: the rate may be anything
    0.96
    >>> from scipy import stats
    >>> round(float(log_predictive_sf(30, 100, 2_000_000, 10_000_000) - stats.binom.logsf(29, 100, 0.2)), 4)
    0.0
    """
    if successes <= 0:
        return 0.0
    if successes > trials:
        return -math.inf
    a, b = before + 0.5, before_trials - before + 0.5
    k = np.arange(successes, trials + 1, dtype=np.float64)
    log_terms = (
        special.gammaln(trials + 1.0)
        - special.gammaln(k + 1.0)
        - special.gammaln(trials - k + 1.0)
        + special.betaln(k + a, trials - k + b)
        - special.betaln(a, b)
    )
    return min(0.0, float(special.logsumexp(log_terms)))
