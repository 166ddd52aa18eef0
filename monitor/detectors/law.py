"""The p-value of a chi-square statistic after the over-dispersion that quiet history showed."""

from __future__ import annotations

from monitor.baseline.frozen import Dispersion
from monitor.stats.null_laws import log_chi2_sf, log_f_sf


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
    noise = min(1e4, max(4.0, dispersion.windows * matched))
    return log_f_sf(statistic / dof / dispersion.factor, matched, noise)


def noise_factor(dispersion: Dispersion | None) -> float:
    """Return by how much quiet windows exceed the analytic noise; 1.0 where nothing was calibrated.

    Examples
    --------
    >>> noise_factor(None), noise_factor(Dispersion(1.5, 1.0, 20))
    (1.0, 1.5)
    """
    return 1.0 if dispersion is None else dispersion.factor
