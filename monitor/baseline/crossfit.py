"""Shift forms that have not seen the windows that they are measured on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from monitor.baseline.build import WindowData, counting_half
from monitor.baseline.frozen import Baseline
from monitor.baseline.window_profile import has_direction
from monitor.records import Window
from monitor.stats.arrays import FloatArray
from monitor.stats.shift_form import ShiftForm, fit_shift_form

LEAST_ROWS = 100
"""Vectors that each half of a form's fit must have; with fewer it says nothing of the directions."""


def cross_forms(windows: Sequence[WindowData], *, normalise: bool) -> Mapping[Window, ShiftForm]:
    """Return for each window, in order of time, the form that the other half of the windows gives.

    A session's questions lie in the half of the records that the baseline's own form is fitted on as well as in the
    other, so that this form counts their direction for less in their own window than in any later one. With sessions
    of 1.6 questions and 5,000 records the windows of the baseline scatter 8% less than later ones. What their scatter
    is must therefore be measured by forms that know nothing of them (cross-fitting, as in Chernozhukov et al. 2018).

    Empty where a half has fewer than ``LEAST_ROWS`` usable vectors to fit on, or to count.
    """
    middle = len(windows) // 2
    halves = windows[:middle], windows[middle:]
    forms = [_fit(half, normalise=normalise) for half in halves]
    if any(form is None for form in forms):
        return {}
    crossed: dict[Window, ShiftForm] = {}
    for half, form in zip(halves, reversed(forms), strict=True):
        crossed |= {w.window: form for w in half if form is not None}
    return crossed


def with_unseen_form(
    baseline: Baseline, crossed: Mapping[Window, ShiftForm], windows: Sequence[Window]
) -> Baseline:
    """Return the baseline with the form that has seen fewest of these windows; its own where it has seen none.

    A baseline of an earlier release that has no form keeps to that: its windows are judged without one as well.
    """
    forms = {id(crossed[w]): crossed[w] for w in windows if w in crossed}
    if not forms or baseline.populations["queries"].form is None:
        return baseline
    most, _ = Counter(id(crossed[w]) for w in windows if w in crossed).most_common(1)[0]
    queries = replace(baseline.populations["queries"], form=forms[most])
    return replace(baseline, populations={**baseline.populations, "queries": queries})


def _fit(windows: Sequence[WindowData], *, normalise: bool) -> ShiftForm | None:
    fitting: list[FloatArray] = []
    counted: list[FloatArray] = []
    for window in windows:
        good = has_direction(window.vectors)
        x = np.asarray(window.vectors[good], dtype=np.float64)
        counting = counting_half(window.ids)[good]
        if normalise:
            x = x / np.linalg.norm(x, axis=1, keepdims=True)
        fitting.append(x[~counting])
        counted.append(x[counting])
    if min(sum(map(len, fitting)), sum(map(len, counted))) < LEAST_ROWS:
        return None
    return fit_shift_form(np.concatenate(fitting), np.concatenate(counted))
