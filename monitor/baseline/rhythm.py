"""Hours and weekdays: a window is compared with quiet history of its own hours, where these differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from monitor.baseline.counts import WindowCounts
from monitor.baseline.frozen import Baseline, Rhythm
from monitor.records import Window
from monitor.stats.arrays import FloatArray

EPOCH_WEEK = datetime(1970, 1, 5, tzinfo=UTC)
"""A Monday at midnight."""
HOURS_A_DAY, HOURS_A_WEEK = 24, 168
REACHES = (1.0, 2.0, 3.0, 6.0)
LEAST_PERIODS = 3
"""Fewer days cannot tell an hour of the day, and fewer weeks no weekday, from what happened once."""
STANDARD_ERRORS = 3.0
"""A rhythm is believed when it foretells windows better than none does by so many standard errors."""


def hour_of(moment: datetime, period: int) -> int:
    """Return the hour of the day, or of the week from Monday on, in UTC."""
    return int((moment - EPOCH_WEEK).total_seconds() // 3600) % period


def find_rhythm(counts: Sequence[WindowCounts]) -> Rhythm | None:
    """Return the hours' table that foretells quiet windows best, or None where no table beats the plain mean.

    Every candidate foretells each window's mean vector from all other windows; the squared error is compared with that
    of the plain mean, window by window, so that chance alone (which no table foretells) cancels out.
    """
    counts = [c for c in counts if c.n]
    if len(counts) < 2:
        return None
    n = np.array([c.n for c in counts], dtype=np.float64)
    totals = np.array([c.total for c in counts])
    plain = _errors(n, totals, np.ones((1, 1)), np.zeros(len(counts), dtype=int))
    hours_in_all = (counts[-1].window.end - counts[0].window.start).total_seconds() / 3600
    best: tuple[float, int, float] | None = None
    for period in (p for p in (HOURS_A_DAY, HOURS_A_WEEK) if hours_in_all >= LEAST_PERIODS * p):
        hours = np.array([hour_of(c.window.start, period) for c in counts])
        for reach in REACHES:
            gain = plain - _errors(n, totals, kernel(period, reach), hours)
            error = float(gain.std(ddof=1)) / np.sqrt(len(gain))
            mean = float(gain.mean())
            if mean > STANDARD_ERRORS * error and (best is None or mean > best[0]):
                best = mean, period, reach
    if best is None:
        return None
    _, period, reach = best
    hours = np.array([hour_of(c.window.start, period) for c in counts])
    return Rhythm(
        period=period,
        reach=reach,
        n=_by_hour(np.array([c.n for c in counts]), hours, period),
        totals=_by_hour(totals, hours, period),
        cells=_by_hour(np.array([c.cells for c in counts]), hours, period),
        scores={
            name: _by_hour(np.array([c.scores[name] for c in counts]), hours, period)
            for name in counts[0].scores
        },
    )


def kernel(period: int, reach: float) -> FloatArray:
    """Return how much each hour counts for each other, ``(period, period)``: 1 for itself, 0 beyond the reach."""
    distance = np.abs(np.arange(period)[:, None] - np.arange(period)[None, :])
    distance = np.minimum(distance, period - distance)
    weights: FloatArray = np.maximum(0.0, 1.0 - distance / reach)
    return weights


def match_hours(baseline: Baseline, parts: Sequence[tuple[Window, float]]) -> Baseline:
    """Return the baseline as it is at the hours of the windows, each counted by its weight (its records, say).

    Mean, cells and scores become weighted means over hours, and their counts shrink to what such a mean is worth:
    ``N = (sum w n)^2 / sum w^2 n``. A baseline without a rhythm is returned as it is.
    """
    rhythm, whole = baseline.rhythm, sum(weight for _, weight in parts)
    if rhythm is None or not whole:
        return baseline
    reach = kernel(rhythm.period, rhythm.reach)
    shares = np.zeros(rhythm.period)
    for window, weight in parts:
        near = reach[hour_of(window.start, rhythm.period)]
        there = float(near @ rhythm.n)
        if there <= 0.0:
            return baseline  # quiet history has nothing of this hour
        shares += weight / whole * near / there
    queries = baseline.populations["queries"]
    matched = replace(
        queries,
        n=1.0 / float(shares**2 @ rhythm.n),
        mean=shares @ rhythm.totals,
        cells=_worth(shares, rhythm.cells),
    )
    return replace(
        baseline,
        populations={**baseline.populations, "queries": matched},
        score_counts={name: _worth(shares, table) for name, table in rhythm.scores.items()},
    )


def without(rhythm: Rhythm, counts: WindowCounts) -> Rhythm:
    """Return the table as if one window had never been."""
    hour = hour_of(counts.window.start, rhythm.period)
    n, totals, cells = rhythm.n.copy(), rhythm.totals.copy(), rhythm.cells.copy()
    n[hour] -= counts.n
    totals[hour] -= counts.total
    cells[hour] -= counts.cells
    scores = {name: table.copy() for name, table in rhythm.scores.items()}
    for name, table in scores.items():
        table[hour] -= counts.scores[name]
    return replace(rhythm, n=n, totals=totals, cells=cells, scores=scores)


def _worth(shares: FloatArray, table: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> FloatArray:
    """Return the weighted mean histogram ``(bins,)``, as many counts in all as it is worth."""
    mixed: FloatArray = shares @ table
    whole, noise = float(mixed.sum()), float(shares**2 @ table.sum(axis=1))
    return mixed * (whole / noise) if noise > 0.0 else mixed


def _errors(n: FloatArray, totals: FloatArray, weights: FloatArray, hours: np.ndarray) -> FloatArray:
    """Return each window's squared distance to its mean as the other windows foretell it, ``(windows,)``."""
    period = len(weights)
    known = _by_hour(n, hours, period)
    sums = _by_hour(totals, hours, period)
    around, summed = weights @ known, weights @ sums
    own = weights[hours, hours]
    rest = around[hours] - own * n
    good = rest > 0.0
    foretold = (summed[hours] - own[:, None] * totals) / np.where(good, rest, 1.0)[:, None]
    # An hour that no other window has is foretold by all others: no gain, no loss.
    others = np.maximum(1.0, n.sum() - n)[~good]
    foretold[~good] = (totals.sum(axis=0) - totals[~good]) / others[:, None]
    gaps = totals / np.maximum(n, 1.0)[:, None] - foretold
    errors: FloatArray = np.einsum("ij,ij->i", gaps, gaps)
    return errors


def _by_hour(values: np.ndarray, hours: np.ndarray, period: int) -> np.ndarray:
    table = np.zeros((period, *values.shape[1:]), dtype=values.dtype)
    np.add.at(table, hours, values)
    return table
