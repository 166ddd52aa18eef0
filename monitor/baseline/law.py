"""The p-value of a statistic after the over-dispersion that quiet history showed."""

from __future__ import annotations

import numpy as np

from monitor.baseline.frozen import Dispersion, Population
from monitor.stats.arrays import FloatArray
from monitor.stats.null_laws import log_chi2_sf, log_f_sf
from monitor.stats.quadratic_form import log_weighted_chi2_sf, with_effective_dimensions
from monitor.stats.shift_form import ShiftForm


def dispersed_log_p(statistic: float, dof: float, dispersion: Dispersion | None) -> float:
    """Return the log p-value of ``statistic`` under ``factor * chi2(share * dof) / share``.

    Parameters
    ----------
    statistic, dof : float
        The statistic in the units of the analytic chi-square law, and that law's degrees of freedom.
    dispersion : Dispersion or None
        What calibration found; None or zero windows leave the analytic law alone.

    Notes
    -----
    The factor is itself an estimate from W windows, so the reference is an F law whose denominator has the degrees
    of freedom of that estimate, ``W share dof`` (at most 10,000, where it no longer differs from chi-square).

    Examples
    --------
    >>> dispersed_log_p(10.0, 10.0, None) == log_chi2_sf(10.0, 10.0)
    True
    >>> dispersed_log_p(30.0, 10.0, Dispersion(2.0, 1.0, 20)) > log_chi2_sf(30.0, 10.0)
    True
    """
    if dispersion is None or dispersion.windows == 0:
        return log_chi2_sf(statistic, dof)
    matched = max(1e-3, dispersion.share * dof)
    return log_f_sf(statistic / dof / dispersion.factor, matched, _noise_dof(dispersion, matched))


def dispersed_form_log_p(ratio: float, weights: FloatArray, dispersion: Dispersion | None) -> float:
    """Return the log p-value of a quadratic form in units of its mean, ``sum w_j Z_j^2`` with ``sum w = 1``.

    Parameters
    ----------
    ratio : float
        The form over its analytic mean.
    weights : FloatArray
        ``(k,)``, sum 1.
    dispersion : Dispersion or None
        As for :func:`dispersed_log_p`: the factor scales the mean; a share below 1 leaves fewer effective dimensions,
        the weights keeping their order.

    Examples
    --------
    >>> weights = np.full(10, 0.1)
    >>> abs(dispersed_form_log_p(2.0, weights, None) - log_chi2_sf(20.0, 10.0)) < 1e-2
    True
    """
    if dispersion is None or dispersion.windows == 0:
        return log_weighted_chi2_sf(ratio, weights)
    dof = 1.0 / float(np.sum(weights**2))
    matched = max(1.0, dispersion.share * dof)
    shaped = with_effective_dimensions(weights, matched) if dispersion.share < 1.0 else weights
    return log_weighted_chi2_sf(ratio / dispersion.factor, shaped, _noise_dof(dispersion, matched))


def shift_law(population: Population) -> ShiftForm:
    """Return how a shift of the population's mean is measured.

    A baseline of an earlier release has no form: every direction counts by its variance, and the law is that of
    ``effective_dimensions`` equal ones (Satterthwaite's two moments).
    """
    if population.form is not None:
        return population.form
    dimensions = max(1, round(population.effective_dimensions))
    none = np.zeros((0, len(population.mean)), dtype=np.float16)
    return ShiftForm(none, np.array([1.0 / population.spread]), np.full(dimensions, 1.0 / dimensions))


def noise_factor(dispersion: Dispersion | None) -> float:
    """Return by how much quiet windows exceed the analytic noise; 1.0 where nothing was calibrated.

    Examples
    --------
    >>> noise_factor(None), noise_factor(Dispersion(1.5, 1.0, 20))
    (1.0, 1.5)
    """
    return 1.0 if dispersion is None else dispersion.factor


def _noise_dof(dispersion: Dispersion, matched: float) -> float:
    return min(1e4, max(4.0, dispersion.windows * matched))
