"""What quiet history says about each stream's null law: how far its own windows scatter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from scipy import optimize

from monitor.baseline.counts import WindowCounts, sum_counts
from monitor.baseline.crossfit import with_unseen_form
from monitor.baseline.features import without as without_features
from monitor.baseline.frozen import Baseline, Dispersion
from monitor.baseline.law import dispersed_form_log_p, dispersed_log_p, shift_law
from monitor.baseline.rhythm import match_hours, without
from monitor.judge.runner import measure_all
from monitor.judge.spans import LEAST_COVERED, Span
from monitor.profile import Profile, merge_all
from monitor.protocols import Detector
from monitor.records import Reading, Window
from monitor.stats.shift_form import ShiftForm

PRIOR_WINDOWS = 4.0
"""The analytic law's variance counts as much as this many windows of evidence."""
LEAST_WINDOWS = 8
"""With fewer quiet windows the analytic law stands alone."""
TAIL, TAIL_WINDOWS = 0.02, 200
"""So far into the tail the fitted law must not be lighter than what was seen in so many windows."""
LEAST_SHARE = 0.05
"""A share is not lowered to less than so much of itself."""
CHANGE = 1e-4
"""A change within the baseline's own span is told at this p-value, shared by the places that it is sought at."""
PLACES = 15


def leave_out(baseline: Baseline, held: WindowCounts, *parts: WindowCounts) -> Baseline:
    """Return the baseline as if some of its windows had never been: no window is scored against itself.

    ``held`` is what they gave in all; ``parts`` are the single windows where there are several.
    """
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
    rhythm = baseline.rhythm
    for part in parts or (held,):
        rhythm = None if rhythm is None else without(rhythm, part)
    return replace(
        baseline,
        populations={**baseline.populations, "queries": rest},
        score_counts=counts,
        rhythm=rhythm,
        features=without_features(baseline.features, held.features),
    )


def calibrate(
    baseline: Baseline,
    profiles: Sequence[Profile],
    held: Sequence[WindowCounts],
    detectors: Sequence[Detector],
    spans: Sequence[Span] = (),
    crossed: Mapping[Window, ShiftForm] | None = None,
) -> Baseline:
    """Return the baseline with the dispersion of every stream that has a chi-square statistic.

    Parameters
    ----------
    profiles, held : sequence
        The profile of each baseline window, and its share of the baseline's counts, in the same order: that of time.
    spans : sequence of Span
        Measured on runs of quiet windows that do not overlap; one that has too few of them stays uncalibrated.
    crossed : mapping
        The form to measure a window by that helped to fit the baseline's own
        (:func:`monitor.baseline.crossfit.cross_forms`).
    """
    quiet = _Quiet(profiles, held, crossed or {})
    fitted = _fit(quiet.measure(baseline, detectors, spans))
    # How far a table scatters decides how coarse it is: such streams are measured again under what they showed.
    again = [d for d in detectors if getattr(d, "regroups", False)]
    if any(d.name == key.partition(".")[0] and fitted[key].factor > 1.0 for d in again for key in fitted):
        scattered = replace(baseline, dispersion=fitted)
        fitted |= _fit(quiet.measure(scattered, again, [s for s in spans if s.detector in again]))
    return replace(baseline, dispersion=fitted)


@dataclass(frozen=True)
class _Quiet:
    """The baseline's own windows, each of which can be measured against the others."""

    profiles: Sequence[Profile]
    held: Sequence[WindowCounts]
    crossed: Mapping[Window, ShiftForm]

    def measure(
        self, baseline: Baseline, detectors: Sequence[Detector], spans: Sequence[Span]
    ) -> list[Reading]:
        """Return what the detectors say of every window, and the spans of every run of windows."""
        readings: list[Reading] = []
        for profile, share in zip(self.profiles, self.held, strict=True):
            rest = match_hours(leave_out(baseline, share), [(share.window, float(share.n))])
            rest = with_unseen_form(rest, self.crossed, [share.window])
            readings += measure_all(detectors, rest, profile)
        for windows in sorted({s.windows for s in spans}):
            of_length = [s for s in spans if s.windows == windows]
            for places in find_runs(self.held, windows):
                parts = [self.held[i] for i in places]
                rest = match_hours(
                    leave_out(baseline, sum_counts(parts), *parts), [(p.window, float(p.n)) for p in parts]
                )
                rest = with_unseen_form(rest, self.crossed, [p.window for p in parts])
                merged = merge_all(baseline.basis, [self.profiles[i] for i in places])
                readings += measure_all(of_length, rest, merged)
        return readings


def _fit(readings: Sequence[Reading]) -> dict[str, Dispersion]:
    """Return the dispersion of every stream that has statistics enough."""
    ratios: dict[str, list[float]] = {}
    dofs: dict[str, list[float]] = {}
    for reading in readings:
        if reading.status == "ok" and reading.statistic is not None and reading.dof:
            ratios.setdefault(reading.key, []).append(reading.statistic / reading.dof)
            dofs.setdefault(reading.key, []).append(reading.dof)
    return {
        key: fit_dispersion(values, float(np.mean(dofs[key])))
        for key, values in ratios.items()
        if len(values) >= LEAST_WINDOWS
    }


def find_runs(held: Sequence[WindowCounts], windows: int) -> list[list[int]]:
    """Return the places of quiet windows that make spans of so many, end to end; gaps cost a span at most a quarter."""
    if not held:
        return []
    length = min(h.window.length for h in held)
    runs: dict[int, list[int]] = {}
    for place, part in enumerate(held):
        number = (part.window.start - held[0].window.start) // (windows * length)
        runs.setdefault(number, []).append(place)
    return [places for places in runs.values() if len(places) >= LEAST_COVERED * windows]


def fit_dispersion(ratios: Sequence[float], dof: float) -> Dispersion:
    """Return the scaled law that matches the mean and variance of ``statistic / dof`` in quiet windows.

    Under the analytic law the mean is 1 and the variance ``2 / dof``. Sessions and hours raise both. The mean's excess
    over 1 is shrunk by the positive part of James and Stein's factor, ``1 - (s / excess)^2`` with its standard error s:
    an excess that is chance goes to 0, one that is many standard errors large stays whole. A factor below 1 is not
    believed (the analytic law is exact for independent records, so a low figure is luck). The variance is averaged with
    the analytic one by ``windows : PRIOR_WINDOWS``. A factor ``f`` and variance ``v`` give ``share = 2 f^2 / (v dof)``,
    at most 1. Long sessions make the tail heavier than the variance tells: with ``TAIL_WINDOWS`` windows or more the
    share is lowered until the 98% quantile that was seen has a p-value of 2% at least.

    Examples
    --------
    >>> fit_dispersion([1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.3, 0.7], 10.0).factor
    1.0
    >>> fit_dispersion([7.0, 7.2, 6.8, 7.1, 6.9, 7.0, 7.3, 6.7], 100.0).factor > 6.99
    True
    """
    values = np.asarray(ratios, dtype=np.float64)
    windows = len(values)
    excess = max(0.0, float(values.mean()) - 1.0)
    error = float(values.var(ddof=1)) / windows
    factor = 1.0 + excess * max(0.0, 1.0 - error / excess**2) if excess > 0.0 else 1.0
    expected = 2.0 * factor**2 / dof
    weight = windows / (windows + PRIOR_WINDOWS)
    variance = weight * float(values.var(ddof=1)) + (1.0 - weight) * expected
    share = min(1.0, expected / variance) if variance > 0 else 1.0
    fitted = Dispersion(factor=factor, share=share, windows=windows)
    if windows < TAIL_WINDOWS:
        return fitted
    far = float(np.quantile(values, 1.0 - TAIL)) * dof
    return _heavier(fitted, lambda d: dispersed_log_p(far, dof, d) - math.log(TAIL))


def _heavier(fitted: Dispersion, excess: Callable[[Dispersion], float]) -> Dispersion:
    """Return the dispersion with the largest share, at most its own, whose tail is heavy enough (``excess >= 0``)."""
    low, high = math.log(LEAST_SHARE), 0.0

    def scaled(log_scale: float) -> Dispersion:
        return replace(fitted, share=fitted.share * math.exp(log_scale))

    if excess(fitted) >= 0.0:
        return fitted
    if excess(scaled(low)) < 0.0:
        return scaled(low)
    return scaled(float(optimize.brentq(lambda t: excess(scaled(t)), low, high, xtol=1e-4)))


def find_change(baseline: Baseline, held: Sequence[WindowCounts]) -> datetime | None:
    """Return when the questions changed within the baseline's own span; None where they did not.

    Each window's mean, less what its hours foretell, is compared before and after each of ``PLACES`` moments. The
    scatter is that of neighbouring windows' differences, which a change in between does not inflate (von Neumann 1941).
    """
    held = [h for h in held if h.n]
    if len(held) < 2 * LEAST_WINDOWS:
        return None
    n = np.array([h.n for h in held], dtype=np.float64)
    expected = [match_hours(baseline, [(h.window, 1.0)]).populations["queries"].mean for h in held]
    left = np.array([h.total / h.n - e for h, e in zip(held, expected, strict=True)])
    queries = baseline.populations["queries"]
    law = shift_law(queries)
    steps = [law.measure(left[i + 1] - left[i]) / (1.0 / n[i] + 1.0 / n[i + 1]) for i in range(len(held) - 1)]
    scatter = fit_dispersion(steps, law.effective_dimensions)
    found: tuple[float, int] | None = None
    for place in np.unique(np.linspace(0, len(held), PLACES + 2).round().astype(int))[1:-1]:
        before, after = float(n[:place].sum()), float(n[place:].sum())
        moved = n[place:] @ left[place:] / after - n[:place] @ left[:place] / before
        ratio = law.measure(moved) / (1.0 / before + 1.0 / after)
        log_p = dispersed_form_log_p(ratio, law.weights, scatter)
        if log_p < math.log(CHANGE / PLACES) and (found is None or log_p < found[0]):
            found = log_p, int(place)
    return None if found is None else held[found[1]].window.start
