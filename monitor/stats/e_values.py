"""From p-values to evidence that may be watched for ever: e-values and the e-detector."""

from __future__ import annotations

import math


def log_e_value(log_p: float) -> float:
    """Return the logarithm of the e-value of a p-value.

    Parameters
    ----------
    log_p : float
        Natural logarithm of a p-value, <= 0; may be ``-inf``.

    Returns
    -------
    float
        ``log e``, finite: at most 700 (e = 1e304), at least ``log(1/2)``.

    Notes
    -----
    The mixture calibrator ``e(p) = (1 - p + p ln p) / (p (ln p)^2)``: its expectation is 1 under a uniform p (Vovk and
    Wang 2021, "E-values: calibration, combination and applications", section 2; Shafer et al. 2011). Near p = 1 the
    formula is 0/0 and its series ``1/2 + (1 - p)/6`` is used.

    Examples
    --------
    >>> round(math.exp(log_e_value(math.log(0.001))), 2)
    20.79
    >>> round(math.exp(log_e_value(0.0)), 3)
    0.5
    """
    if log_p >= -1e-4:
        return math.log(0.5 - log_p / 6.0)
    if log_p < -750.0:
        return min(700.0, -log_p - 2.0 * math.log(-log_p)) if math.isfinite(log_p) else 700.0
    numerator = -math.expm1(log_p) + math.exp(log_p) * log_p
    return min(700.0, math.log(numerator) - log_p - 2.0 * math.log(-log_p))


def accumulate(log_evidence: float, log_e: float) -> float:
    """Return the next logarithm of Shiryaev-Roberts evidence, ``M' = (1 + M) e``.

    Parameters
    ----------
    log_evidence : float
        ``log M`` so far; ``-inf`` at the start.
    log_e : float
        The e-value of the newest window.

    Notes
    -----
    An e-detector (Shin, Ramdas and Rinaldo 2023, "E-detectors: a nonparametric framework for sequential change
    detection", section 2.3): whatever the dependence between streams, alarming at ``M >= A`` has an average run
    length of at least A windows.

    Examples
    --------
    >>> round(math.exp(accumulate(-math.inf, math.log(3.0))), 6)
    3.0
    """
    larger = max(0.0, log_evidence)
    log_sum = larger + math.log1p(math.exp(-abs(log_evidence))) if math.isfinite(log_evidence) else 0.0
    return min(700.0, log_sum + log_e)


def log_threshold(false_alarms: float, windows: float, streams: float) -> float:
    """Return the logarithm of the evidence at which one stream alarms, for a budget over all streams.

    Parameters
    ----------
    false_alarms : float
        Tolerated false alarms of the whole deployment in the period, > 0.
    windows : float
        Windows of one stream in the period.
    streams : float
        How many streams (collection x detector x signal) share the budget; one that looks at every other window only
        is half a stream.

    Notes
    -----
    Each stream alarms falsely at most once in A windows on average, so all together ``streams * windows / A`` times
    in the period: ``A = streams * windows / false_alarms``.

    Examples
    --------
    >>> round(math.exp(log_threshold(1, 2160, 10)))
    21600
    """
    return max(0.0, math.log(max(streams, 1) * max(windows, 1.0) / false_alarms))
