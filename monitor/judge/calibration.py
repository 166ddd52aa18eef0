"""What quiet history says about each stream's null law: over-dispersion, shrunk to the analytic law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from monitor.baseline.build import HeldCounts
from monitor.baseline.features import without
from monitor.baseline.frozen import Baseline, Dispersion
from monitor.judge.runner import measure_all
from monitor.profile import Profile
from monitor.protocols import Detector

PRIOR_WINDOWS = 4.0
"""The analytic law counts as much as this many windows of evidence."""
LEAST_WINDOWS = 8
"""With fewer quiet windows the analytic law stands alone."""


def leave_out(baseline: Baseline, held: HeldCounts) -> Baseline:
    """Return the baseline as if one of its windows had never been: no window is scored against itself."""
    queries = baseline.populations["queries"]
    n = queries.n - held.n
    if n < 2:
        return baseline
    rest = replace(
        queries,
        n=n,
        mean=(queries.mean * queries.n - held.total) / n,
        cells=queries.cells - held.cells,
    )
    counts = {name: count - held.scores[name] for name, count in baseline.score_counts.items()}
    return replace(
        baseline,
        populations={**baseline.populations, "queries": rest},
        score_counts=counts,
        features=without(baseline.features, held.features),
    )


def calibrate(
    baseline: Baseline, profiles: Sequence[Profile], held: Sequence[HeldCounts], detectors: Sequence[Detector]
) -> Baseline:
    """Return the baseline with the dispersion of every stream that has a chi-square statistic.

    Parameters
    ----------
    profiles, held : sequence
        The profile of each baseline window, and its share of the baseline's counts, in the same order.
    """
    ratios: dict[str, list[float]] = {}
    dofs: dict[str, list[float]] = {}
    for profile, share in zip(profiles, held, strict=True):
        for reading in measure_all(detectors, leave_out(baseline, share), profile):
            if reading.status == "ok" and reading.statistic is not None and reading.dof:
                ratios.setdefault(reading.key, []).append(reading.statistic / reading.dof)
                dofs.setdefault(reading.key, []).append(reading.dof)
    fitted = {
        key: fit_dispersion(values, float(np.mean(dofs[key])))
        for key, values in ratios.items()
        if len(values) >= LEAST_WINDOWS
    }
    return replace(baseline, dispersion=fitted)


def fit_dispersion(ratios: Sequence[float], dof: float) -> Dispersion:
    """Return the scaled chi-square that matches the mean and variance of ``statistic / dof`` in quiet windows.

    Under the analytic law the mean is 1 and the variance ``2 / dof``. Sessions and hours raise both. The
    estimates are averaged with the analytic ones by ``windows : PRIOR_WINDOWS``; a factor below 1 is not believed (the
    analytic law is exact for independent records, so a low figure is luck). A factor ``f`` and variance ``v`` give
    ``share = 2 f^2 / (v dof)``, at most 1.

    Examples
    --------
    >>> fit_dispersion([1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.3, 0.7], 10.0).factor
    1.0
    """
    values = np.asarray(ratios, dtype=np.float64)
    weight = len(values) / (len(values) + PRIOR_WINDOWS)
    factor = max(1.0, weight * float(values.mean()) + (1.0 - weight))
    variance = weight * float(values.var(ddof=1)) + (1.0 - weight) * 2.0 * factor**2 / dof
    share = min(1.0, 2.0 * factor**2 / (variance * dof)) if variance > 0 else 1.0
    return Dispersion(factor=factor, share=share, windows=len(values))
