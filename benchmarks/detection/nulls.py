"""Every null law: against exact forms, against SciPy, against simulation; the e-values with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from scipy import optimize, stats

from benchmarks.detection import exact
from benchmarks.detection.compared import compare
from benchmarks.detection.evidence import check_e_values
from benchmarks.detection.simulated import centroid_tail, size_of_tests
from benchmarks.torture.report import figure
from monitor.stats.null_laws import (
    likelihood_ratio_two_samples,
    log_binomial_sf,
    log_chi2_sf,
    log_f_sf,
    log_paired_loss,
)
from monitor.stats.quadratic_form import log_weighted_chi2_sf

DEPTHS = (1e-3, 1e-6, 1e-12)
SADDLEPOINT = 0.02
"""An approximation: two per cent of p matter to nobody."""
DEEPEST = (-30.0, -100.0, -280.0, -300.0, -1000.0)
"""Powers of ten; of the last there is no float: the logarithm alone says it."""


def run(pools: Sequence[str], *, quick: bool = False, workers: int | None = None) -> list[dict[str, Any]]:
    """Return the largest errors of each law, and the sizes of the tests in simulation."""
    del workers
    return [
        *_chi2(),
        *_f(),
        *_binomial(),
        *_signs(),
        *_likelihood_ratio(),
        *_forms(),
        *check_e_values(quick=quick),
        *(f for pool in pools for f in centroid_tail(pool)),
        *size_of_tests(pools[-1], quick=quick),
    ]


def _chi2() -> list[dict[str, Any]]:
    dofs = (2, 10, 30, 100, 384)
    points = [(_invert(partial(exact.chi2_sf, dof=d), p, d), d) for d in dofs for p in DEPTHS]
    deep = [
        (x, d) for d in dofs for x in (_deep(partial(exact.chi2_sf, dof=d), depth, d) for depth in _logs())
    ]
    halves = [(float(stats.chi2.isf(p, d)), d) for d in (0.3, 1.0, 4.7, 33.3, 150.5) for p in DEPTHS]
    return [
        compare(
            "log_chi2_sf, p to 1e-12, against 60 digits",
            ((log_chi2_sf(x, d), exact.chi2_sf(x, d)) for x, d in points),
        ),
        compare(
            "log_chi2_sf, p 1e-30 to 1e-1000, against 60 digits",
            ((log_chi2_sf(x, d), exact.chi2_sf(x, d)) for x, d in deep),
        ),
        compare(
            "log_chi2_sf, fractional dof, p to 1e-12, against SciPy",
            ((log_chi2_sf(x, d), float(stats.chi2.logsf(x, d))) for x, d in halves),
        ),
        compare(
            "log_chi2_sf, 1 dof, p to 1e-1000, against SciPy's normal",
            (
                (log_chi2_sf(z * z, 1.0), math.log(2.0) + float(stats.norm.logsf(z)))
                for z in (3.0, 7.0, 20.0, 36.0, 67.8)
            ),
        ),
    ]


def _f() -> list[dict[str, Any]]:
    dofs = tuple(product((2, 10, 30, 384), (4, 64, 1000, 10_000)))
    points = [(float(stats.f.isf(p, a, b)), a, b) for a, b in dofs for p in DEPTHS]
    deep = [
        (_deep(partial(exact.f_sf, dof=a, noise_dof=b), depth, 1.0), a, b)
        for a, b in dofs
        for depth in _logs()
        if b > 4  # with 4 noise degrees of freedom the tail is a square: 1e-1000 lies beyond the floats
    ]
    halves = [
        (float(stats.f.isf(p, a, b)), a, b)
        for a in (0.7, 5.5, 33.3)
        for b in (4.0, 37.7, 9999.5)
        for p in DEPTHS
    ]
    return [
        compare(
            "log_f_sf, p to 1e-12, against 60 digits",
            ((log_f_sf(x, a, b), exact.f_sf(x, a, b)) for x, a, b in points),
        ),
        compare(
            "log_f_sf, p 1e-30 to 1e-1000, against 60 digits",
            ((log_f_sf(x, a, b), exact.f_sf(x, a, b)) for x, a, b in deep),
        ),
        compare(
            "log_f_sf, fractional dof, p to 1e-12, against SciPy",
            ((log_f_sf(x, a, b), float(stats.f.logsf(x, a, b))) for x, a, b in halves),
        ),
    ]


def _binomial() -> list[dict[str, Any]]:
    cases = [
        (k, n, 1.0 / q)
        for n in (1, 5, 30, 200, 1000)
        for q in (2, 20, 1000)
        for k in sorted({1, 2, n // 10, n // 2, n})
        if 0 < k <= n
    ]
    return [
        compare(
            f"log_binomial_sf, {len(cases)} cases of N 1 to 1,000, against whole numbers",
            ((log_binomial_sf(k, n, p), exact.binomial_sf(k, n, p)) for k, n, p in cases),
        ),
        compare(
            "log_binomial_sf, against SciPy where p > 1e-12",
            (
                (log_binomial_sf(k, n, p), float(stats.binom.logsf(k - 1, n, p)))
                for k, n, p in cases
                if stats.binom.sf(k - 1, n, p) > 1e-12
            ),
        ),
    ]


def _signs() -> list[dict[str, Any]]:
    """Check the sign test against whole numbers, and that it is never too sure: all 2^N outcomes are counted."""

    def ours(lost: int, n: int) -> float:
        after = np.where(np.arange(n) < lost, 0.0, 2.0)
        return log_paired_loss(np.ones(n), after)

    cases = [(lost, n) for n in (5, 10, 40, 250, 2000) for lost in range(0, n + 1, max(1, n // 20))]
    worst = max(
        float(Fraction(sum(math.comb(n, k) for k in range(n + 1) if ours(k, n) <= math.log(level)), 2**n))
        / level
        for n in (5, 8, 12, 20)
        for level in (0.01, 0.05)
    )
    return [
        compare(
            "log_paired_loss, N 5 to 2,000 (p to 1e-602), against whole numbers",
            ((ours(lost, n), exact.binomial_sf(lost, n, 0.5)) for lost, n in cases),
        ),
        figure("log_paired_loss, N 5 to 20: size over its level, all outcomes", worst, "x level", 1.0),
    ]


def _likelihood_ratio() -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    tables = [
        (rng.multinomial(m, np.full(k, 1.0 / k)), rng.multinomial(20 * m, np.full(k, 1.0 / k)))
        for m in (30, 100, 1000)
        for k in (2, 8, 32)
    ]
    pairs = []
    for window, baseline in tables:
        kept = (window + baseline) > 0
        table = np.stack([window, baseline])[:, kept]
        theirs = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
        total = float(table.sum())
        rows = float(np.sum(total / table.sum(axis=1))) - 1.0
        parts = np.minimum(total / table.sum(axis=0), table.sum(axis=1).min())
        williams = 1.0 + rows * (float(np.sum(parts)) - 1.0) / (6.0 * total * theirs.dof)
        statistic, dof = likelihood_ratio_two_samples(window, baseline)
        pairs.append((math.log(statistic), math.log(theirs.statistic / williams)))
        pairs.append((math.log(dof), math.log(theirs.dof)))
    return [
        compare(
            "likelihood_ratio_two_samples, against SciPy's contingency table over Williams' correction", pairs
        )
    ]


def _forms() -> list[dict[str, Any]]:
    """Check the saddlepoint where the law is known: equal weights, and an estimated scale."""
    equal = [(float(stats.chi2.isf(p, d)), d) for d in (10, 30, 100, 384) for p in (0.1, *DEPTHS)]
    scaled = [
        (float(stats.f.isf(p, d, n)), d, n) for d in (30, 100) for n in (100, 1000) for p in (0.1, *DEPTHS)
    ]
    return [
        compare(
            "log_weighted_chi2_sf, 10 to 384 equal weights, p to 1e-12, against SciPy",
            ((log_weighted_chi2_sf(x, np.ones(d)), float(stats.chi2.logsf(x, d))) for x, d in equal),
            SADDLEPOINT,
        ),
        compare(
            "log_weighted_chi2_sf, the scale from 100 or 1,000 degrees of freedom, against SciPy's F",
            (
                (log_weighted_chi2_sf(x, np.full(d, 1.0 / d), n), float(stats.f.logsf(x, d, n)))
                for x, d, n in scaled
            ),
            SADDLEPOINT,
        ),
    ]


def _logs() -> tuple[float, ...]:
    return tuple(math.log(10.0) * power for power in DEEPEST)


def _invert(log_sf: Callable[[float], float], p: float, start: float) -> float:
    return _deep(log_sf, math.log(p), start)


def _deep(log_sf: Callable[[float], float], log_p: float, start: float) -> float:
    """Return where an upper tail is ``exp(log_p)``."""
    high = start
    while log_sf(high) > log_p:
        high *= 2.0
    return float(
        optimize.brentq(lambda x: log_sf(x) - log_p, start * 1e-3, high, xtol=1e-9 * start, rtol=1e-12)
    )
