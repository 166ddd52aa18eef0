"""Has the centre of the questions (or of the new documents) moved?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from monitor.baseline.frozen import Baseline
from monitor.detectors.law import dispersed_log_p, noise_factor
from monitor.profile import Profile
from monitor.records import Reading


@dataclass(frozen=True, slots=True)
class CentroidDistance:
    """Cosine distance of mean directions, decided by a standardised shift of the mean.

    Parameters
    ----------
    signal : {"queries", "corpus"}
        The population; for ``corpus`` the window's new documents against the baseline's documents.
    effect_floor : float
        The least shift that counts, in units of the population's own spread (0.02: two per cent of its radius).
    least : int
        Fewer vectors than this are ``insufficient``.

    Notes
    -----
    With window mean from M vectors and baseline mean from N,

    ``T = ||mean_w - mean_b||^2 / (tr Sigma (1/N + 1/M))`` and ``T d ~ chi2(d)``, ``d = (tr Sigma)^2 / tr Sigma^2``

    (Satterthwaite's two-moment match for a weighted sum of chi-squares; Bai and Saranadasa 1996 for the
    sample version). The cosine distance itself depends on M without any drift, so it is shown and never
    decides. The effect held against the floor is ``sqrt(max(0, ||delta||^2 - f tr Sigma (1/N + 1/M)) / tr
    Sigma)`` with the over-dispersion f of quiet history.

    Examples
    --------
    >>> CentroidDistance("queries").name
    'centroid_distance'
    """

    name: ClassVar[str] = "centroid_distance"
    signal: Literal["queries", "corpus"] = "queries"
    effect_floor: float = 0.02
    least: int = 30

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < 1.0:
            raise ValueError(f"effect_floor must be in [0, 1), not {self.effect_floor}")
        if self.least < 2:
            raise ValueError(f"least must be at least 2, not {self.least}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's profile."""
        population = baseline.populations.get(self.signal)
        n = profile.count(f"{self.signal}.n")
        if population is None or n < self.least:
            return Reading(
                self.name, self.signal, 0.0, n, status="insufficient", effect_floor=self.effect_floor
            )
        mean = profile.sums[f"{self.signal}.total"] / n
        delta = float(np.sum((mean - population.mean) ** 2))
        noise = population.spread * (1.0 / population.n + 1.0 / n)
        d = population.effective_dimensions
        statistic = delta / noise * d
        norms = float(np.linalg.norm(mean) * np.linalg.norm(population.mean))
        dispersion = baseline.dispersion.get(f"{self.name}.{self.signal}")
        cosine = float(mean @ population.mean) / norms if norms > 1e-12 else 0.0
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=min(2.0, max(0.0, 1.0 - cosine)),
            n=n,
            log_p=dispersed_log_p(statistic, d, dispersion),
            statistic=statistic,
            dof=d,
            effect_floor=self.effect_floor,
            effect=math.sqrt(max(0.0, delta - noise * noise_factor(dispersion)) / population.spread),
            detail={"T": delta / noise, "effective_dimensions": d},
        )
