"""E-values and their accumulation: against 60 digits, against their own promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import integrate

from benchmarks.detection import exact
from benchmarks.detection.compared import compare
from benchmarks.torture.report import figure
from monitor.stats.e_values import accumulate, log_e_value, log_threshold


def check_e_values(*, quick: bool) -> list[dict[str, Any]]:
    """Return the errors of e-value, accumulation and threshold, and how long evidence takes under no drift."""
    depths = [-(10.0**k) for k in np.linspace(-6, math.log10(690.0), 60)]
    # With p = exp(-t) the mean is the integral of (1 - p + p ln p) / t^2, which beyond t = T leaves 1/T.
    far = 600.0
    inner = integrate.quad(lambda t: math.exp(log_e_value(-t) - t), 0.0, far, limit=2000, epsabs=1e-10)[0]
    evidence = [(m, e) for m in (-20.0, -1.0, 0.0, 3.0, 40.0, 600.0) for e in (-0.69, 0.0, 5.0, 90.0)]
    length, error = _run_length(20.0, 400 if quick else 4000)
    return [
        compare(
            "log_e_value, p 0.999999 to 1e-300, against 60 digits",
            ((log_e_value(t), exact.e_value(t)) for t in depths),
            1e-8,
        ),
        figure("log_e_value: mean under a uniform p, less 1", abs(inner + 1.0 / far - 1.0), "", 1e-6),
        compare(
            "accumulate, against 60 digits",
            ((accumulate(m, e), exact.accumulated(m, e)) for m, e in evidence),
        ),
        figure(
            f"accumulate: mean windows to evidence 20 under uniform p (standard error {error:.2g})",
            length / 20.0,
            "x promise",
            1.0,
            higher_is_better=True,
        ),
        compare(
            "log_threshold, against streams x windows / pages",
            [(log_threshold(2.0, 8640, 15), math.log(15 * 8640 / 2))],
        ),
    ]


def _run_length(threshold: float, runs: int) -> tuple[float, float]:
    """Return the mean number of windows until evidence reaches ``threshold``, and its standard error."""
    rng = np.random.default_rng(3)
    lengths: NDArray[np.float64] = np.zeros(runs)
    for run_ in range(runs):
        evidence, windows = -math.inf, 0
        while evidence < math.log(threshold):
            evidence = accumulate(evidence, log_e_value(math.log(1.0 - rng.random())))
            windows += 1
        lengths[run_] = windows
    return float(lengths.mean()), float(lengths.std(ddof=1) / math.sqrt(runs))
