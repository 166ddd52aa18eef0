"""Could a classifier tell the window's questions from the baseline's?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from monitor.baseline.frozen import Baseline
from monitor.baseline.law import noise_factor
from monitor.baseline.whitening import Whitening
from monitor.detectors.lacking import insufficient
from monitor.detectors.squared_shift import judge_shift
from monitor.profile import Profile
from monitor.records import Reading


@dataclass(frozen=True, slots=True)
class DomainClassifier:
    """AUC that a linear classifier between window and baseline would have, from moments alone.

    Parameters
    ----------
    effect_floor : float
        The least AUC beyond 1/2 that counts.
    least : int
        Fewer vectors than this are ``insufficient``.

    Notes
    -----
    A linear discriminant between two normal populations of covariance S has the AUC ``Phi(D / sqrt(2))``,
    ``D^2 = delta' S^-1 delta`` (Su and Liu 1993); where a few questions moved far, that overstates it. With the
    baseline's regularised covariance, ``D^2`` is the squared shift of the mean of whitened vectors; by chance it is
    ``sum_i w_i Z_i^2 (1/N + 1/M)`` with the spectrum w of their covariance, measured on the half of the baseline that
    the whitening was not fitted on. For the AUC that mean noise (times the over-dispersion of quiet history) is taken
    off, which is what a held-out half would do: the difference of means on one half, along the direction found on the
    other, has that same expectation. The p-value uses all of the window; testing on a held-out half has less power
    (Kim, Ramdas, Singh and Wasserman 2021, "Classification accuracy as a proxy for two-sample testing"). A window needs
    no more than its sum of vectors.

    Unlike the distance of means, it weighs every direction by how little it varies: it sees small turns of the space,
    and topics of which the baseline has none.

    Examples
    --------
    >>> DomainClassifier().key
    'domain_classifier.queries'
    """

    name: ClassVar[str] = "domain_classifier"
    signal: ClassVar[str] = "queries"
    features: ClassVar[tuple[Whitening, ...]] = (Whitening(),)
    effect_floor: float = 0.03
    least: int = 100

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < 0.5:
            raise ValueError(f"effect_floor must be in [0, 0.5), not {self.effect_floor}")
        if self.least < 2:
            raise ValueError(f"least must be at least 2, not {self.least}")

    @property
    def key(self) -> str:
        """The stream's name."""
        return f"{self.name}.{self.signal}"

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's profile."""
        population, whitening = baseline.populations.get("queries"), baseline.features.get("whitening")
        n = profile.count("queries.n")
        if population is None or whitening is None or n < self.least:
            return insufficient(self, n, "whitening", lacking=whitening is None, floor=self.effect_floor)
        delta = profile.sums["queries.total"] / n - population.mean
        noise = 1.0 / population.n + 1.0 / n
        along = whitening.parameters["directions"].astype(np.float64) @ delta
        weights = whitening.parameters["means"]
        squared = float(along @ along)
        dispersion = baseline.dispersion.get(self.key)
        judged = judge_shift(squared / noise, weights, dispersion)
        beyond = max(0.0, squared - noise_factor(dispersion) * noise * float(weights.sum()))
        auc = float(special.ndtr(math.sqrt(beyond / 2.0)))
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=auc,
            n=n,
            log_p=judged.log_p,
            statistic=judged.statistic,
            dof=judged.dof,
            effect_floor=self.effect_floor,
            effect=auc - 0.5,
            detail={"directions": float(len(along))},
        )
