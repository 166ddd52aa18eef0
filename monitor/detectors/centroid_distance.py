"""Has the centre of the questions (or of the new documents) moved?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from monitor.baseline.frozen import Baseline
from monitor.baseline.law import dispersed_form_log_p, noise_factor, shift_law
from monitor.profile import Profile
from monitor.records import Reading

RECORDS_A_NAT = 10.0
"""Questions that a window must have for each unit of ``-ln p`` that it claims."""


@dataclass(frozen=True, slots=True)
class CentroidDistance:
    """Cosine distance of mean directions, decided by a standardised shift of the mean.

    Parameters
    ----------
    signal : {"queries", "corpus"}
        The population; for ``corpus`` the window's new documents against the baseline's documents.
    effect_floor : float
        The least shift that counts, in units of the population's own spread (0.003: three thousandths of its radius,
        what 1% of the questions move it by when they ask about something new).
    least : int
        Fewer vectors than this are ``insufficient``.

    Notes
    -----
    With window mean from M vectors and baseline mean from N, their difference ``delta`` is measured by the
    population's quadratic form, ``Q = sum_i g_i (u_i . delta)^2`` over principal directions
    (:class:`monitor.stats.shift_form.ShiftForm`), and ``Q / (1/N + 1/M) ~ sum_j w_j Z_j^2``, whose tail is taken by a
    saddlepoint (:func:`monitor.stats.quadratic_form.log_weighted_chi2_sf`). Directions that usually vary little count
    nearly as much as wide ones: what is new lies there.

    A mean of few questions is no normal one: somebody who asks eight times is a quarter of 31 questions, which the law
    calls 1e-14. No more is claimed than ``-ln p = M / 10``: a window of 100 says 5e-5 at most, one of 1,000 whatever it
    finds.

    The cosine distance itself depends on M without any drift, so it is shown and never decides; likewise
    ``T = ||delta||^2 / (tr Sigma (1/N + 1/M))``. The effect held against the floor is
    ``sqrt(max(0, ||delta||^2 - f tr Sigma (1/N + 1/M)) / tr Sigma)`` with the over-dispersion f of quiet history.

    Examples
    --------
    >>> CentroidDistance("queries").name
    'centroid_distance'
    """

    name: ClassVar[str] = "centroid_distance"
    signal: Literal["queries", "corpus"] = "queries"
    effect_floor: float = 0.003
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
        delta = mean - population.mean
        squared = float(delta @ delta)
        share = 1.0 / population.n + 1.0 / n
        noise = population.spread * share
        form = shift_law(population)
        ratio, d = form.measure(delta) / share, form.effective_dimensions
        dispersion = baseline.dispersion.get(f"{self.name}.{self.signal}")
        log_p = dispersed_form_log_p(ratio, form.weights, dispersion)
        norms = float(np.linalg.norm(mean) * np.linalg.norm(population.mean))
        cosine = float(mean @ population.mean) / norms if norms > 1e-12 else 0.0
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=min(2.0, max(0.0, 1.0 - cosine)),
            n=n,
            log_p=max(log_p, -n / RECORDS_A_NAT) if self.signal == "queries" else log_p,
            statistic=ratio * d,
            dof=d,
            effect_floor=self.effect_floor,
            effect=math.sqrt(max(0.0, squared - noise * noise_factor(dispersion)) / population.spread),
            detail={"T": squared / noise, "Q": ratio, "effective_dimensions": d},
        )
