"""The p-value of a squared shift whose law is a weighted sum of chi-squares, and what is left of it beyond noise."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.baseline.frozen import Dispersion
from monitor.baseline.law import dispersed_form_log_p
from monitor.stats.arrays import FloatArray
from monitor.stats.spectrum import effective_number


@dataclass(frozen=True, slots=True)
class SquaredShift:
    """``statistic`` in units of a chi-square law of ``dof`` degrees, and the log p-value after over-dispersion."""

    statistic: float
    dof: float
    log_p: float


def judge_shift(shift: float, weights: FloatArray, dispersion: Dispersion | None) -> SquaredShift:
    """Return the p-value of ``shift``, which scatters like ``sum_i w_i Z_i^2`` in quiet windows.

    Parameters
    ----------
    shift : float
        Not negative.
    weights : FloatArray
        ``(k,)``, not negative; where all are zero nothing ever varied, and nothing is decided.
    dispersion : Dispersion or None
        What calibration found.

    Notes
    -----
    The tail of the weighted sum: :func:`monitor.stats.quadratic_form.log_weighted_chi2_sf`. The statistic is scaled to
    a chi-square law of ``d = (sum w)^2 / sum w^2`` degrees, of the same mean and variance, for calibration.

    Examples
    --------
    >>> import numpy as np
    >>> judged = judge_shift(10.0, np.ones(10), None)
    >>> judged.statistic, judged.dof, round(judged.log_p, 2)
    (10.0, 10.0, -0.82)
    """
    total = float(weights.sum())
    if total <= 0.0:
        return SquaredShift(0.0, 1.0, 0.0)
    dof = effective_number(weights)
    statistic = shift / total * dof
    return SquaredShift(statistic, dof, dispersed_form_log_p(shift / total, weights / total, dispersion))
