"""Do the questions (or the new documents) fall into other regions of the space?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from monitor.baseline.frozen import Baseline
from monitor.baseline.law import dispersed_log_p, noise_factor
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.histogram import js, kl
from monitor.stats.null_laws import likelihood_ratio_two_samples


@dataclass(frozen=True, slots=True)
class SpatialKL:
    """KL divergence of cell occupancy, window against baseline, decided by the likelihood ratio.

    Parameters
    ----------
    signal : {"queries", "corpus"}
        The population.
    effect_floor : float
        The least divergence in nats that counts.
    least : int
        Fewer vectors than this are ``insufficient``.

    Notes
    -----
    Cells of the stored codebook (K <= 64) are merged so that ``K = clip(M / (12 f), 8, 32)`` for window size M and the
    over-dispersion f of quiet history, which keeps a dozen expected observations per cell: a session of seven questions
    about one thing is one observation, and cells of two or three sessions have a heavier tail than any chi-square
    (in windows of 25 sessions, p < 1e-4 came seven times too often). Shown is ``KL(window || baseline)`` with Jeffreys
    smoothing less its bias ``f (K - 1)/2 (1/N + 1/M)`` (Miller 1955), not below 0; JS stands beside it. Decided on the
    2 x K table by G with Williams' correction, which is the divergence of both from what they share, in units of its
    noise.

    Examples
    --------
    >>> SpatialKL("corpus").signal
    'corpus'
    """

    name: ClassVar[str] = "spatial_kl"
    regroups: ClassVar[bool] = True
    signal: Literal["queries", "corpus"] = "queries"
    effect_floor: float = 0.02
    least: int = 30

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < math.inf:
            raise ValueError(f"effect_floor must be finite and not negative, not {self.effect_floor}")
        if self.least < 8:
            raise ValueError(f"least must be at least 8 (the smallest table has 8 cells), not {self.least}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's profile."""
        population = baseline.populations.get(self.signal)
        n = profile.count(f"{self.signal}.n")
        if population is None or n < self.least:
            return Reading(
                self.name, self.signal, 0.0, n, status="insufficient", effect_floor=self.effect_floor
            )
        dispersion = baseline.dispersion.get(f"{self.name}.{self.signal}")
        factor = noise_factor(dispersion)
        groups = population.groups(int(np.clip(n / (12.0 * factor), 8, 32)))
        size = int(groups.max()) + 1
        window = np.bincount(groups, weights=profile.counts[f"{self.signal}.cells"], minlength=size)
        reference = np.bincount(groups, weights=population.cells, minlength=size)
        statistic, dof = likelihood_ratio_two_samples(window, reference)
        if dof < 1:
            return Reading(
                self.name, self.signal, 0.0, n, status="insufficient", effect_floor=self.effect_floor
            )
        bias = factor * (size - 1) / 2.0 * (1.0 / max(reference.sum(), 1.0) + 1.0 / n)
        shares = window / n - reference / max(reference.sum(), 1.0)
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=max(0.0, kl(window, reference) - bias),
            n=n,
            log_p=dispersed_log_p(statistic, dof, dispersion),
            statistic=statistic,
            dof=float(dof),
            effect_floor=self.effect_floor,
            detail={
                "js": js(window, reference),
                "cells": float(size),
                "largest_gain": float(shares.max()),
                "largest_loss": float(shares.min()),
            },
        )
