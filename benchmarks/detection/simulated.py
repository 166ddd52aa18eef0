"""The analytic laws alone, without calibration, on records of a real pool: simulated, and exactly in the far tail."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import optimize

from benchmarks.detection.exact import weighted_chi2_sf
from benchmarks.detection.pool import load_pool
from benchmarks.detection.simulation import DETECTORS, make_baseline, profile
from benchmarks.detection.traffic import Traffic
from benchmarks.torture.report import figure
from monitor.judge.runner import measure_all
from monitor.records import FloatArray
from monitor.stats.quadratic_form import log_weighted_chi2_sf
from monitor.stats.shift_form import fit_shift_form

SIZES = (30, 100, 1000)
RUNS = 5000
LEVELS = (0.01, 0.001)
ALLOWED = {0.01: 1.5, 0.001: 2.0}
"""How many times the level the share may be."""
TAIL = (1e-2, 1e-3, 1e-4, 1e-6)
"""Evidence that fires in one window needs a p of about the last."""


def size_of_tests(pool: str, *, quick: bool) -> list[dict[str, Any]]:
    """Return the share of quiet windows below each level, per stream and window size, under the analytic law."""
    traffic = Traffic(load_pool(pool))
    # Sixty-four thousand records: what the law is asked about is the window's size, not the baseline's luck.
    baseline = replace(make_baseline(traffic, 77, 100 if quick else 1000), dispersion={})
    figures = []
    for m in SIZES[: 1 if quick else None]:
        below = defaultdict[tuple[str, float], int](int)
        runs = 200 if quick else RUNS
        for number in range(runs):
            rng = np.random.default_rng([77, m, number])
            for reading in measure_all(
                DETECTORS, baseline, profile(traffic, baseline, traffic.draw(rng, number, m))
            ):
                if reading.log_p is not None and reading.detector != "empty_results":
                    for level in LEVELS:
                        below[reading.key, level] += reading.log_p < math.log(level)
        for (key, level), count in sorted(below.items()):
            bar = None if quick else ALLOWED[level]
            figures.append(
                figure(
                    f"{pool}, N = {m:,}: {key}, p < {level}, uncalibrated",
                    count / runs / level,
                    "x level",
                    bar,
                )
            )
    return figures


def centroid_tail(name: str) -> list[dict[str, Any]]:
    """Return how much likelier than it says a p-value of the centroid chart is, when the window's mean is normal.

    Then the chart's form is ``sum_j w_j Z_j^2``: its tail is exact by Imhof's integral, the chart asks a saddlepoint.
    """
    rows = load_pool(name).vectors[:, 0].astype(np.float64)
    form = fit_shift_form(rows[::2], rows[1::2])
    return [
        figure(
            f"{name}: centroid_distance, true p over the p it says, at {level:g} "
            f"(d = {form.effective_dimensions:.0f})",
            weighted_chi2_sf(form.weights, _where(form.weights, level)) / level,
            "x level",
            ALLOWED.get(level, 2.0),
        )
        for level in TAIL
    ]


def _where(weights: FloatArray, level: float) -> float:
    """Return the ratio to which the chart gives the p-value ``level``."""
    return float(optimize.brentq(lambda x: log_weighted_chi2_sf(x, weights) - math.log(level), 0.5, 50.0))
