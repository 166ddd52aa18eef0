"""Does the embedding endpoint still give the same vectors for the same texts?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from monitor.baseline.frozen import Baseline, CanaryReference
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.levels import count_levels

BYTE = 256.0
"""Distinct values that eight bits can tell apart."""
COARSER = 0.6
"""Share of the distinct values before below which a vector was rounded: bf16 leaves 321 of 384, int8 95."""


@dataclass(frozen=True, slots=True)
class Canary:
    """Mean 1 - cos of fixed texts to their stored vectors, held against the endpoint's own noise.

    Parameters
    ----------
    warn, page : float
        The mean distance to fire at, as a warning, and from which on it is harm (critical).
    noise_factor : float
        Both are raised to this many times the noise floor that was measured when the baseline was built.
    worst : float
        One single text beyond this is harm as well.

    Notes
    -----
    Deterministic: no p-value. Vectors that are rounded to 8 bits move hardly more than bf16 does; they are known by the
    few distinct values that are left in each of them, and fire as a warning. Measured mean distances: another batch 0,
    bf16 1.4e-5, 1% weight noise 5e-4, another truncation 4e-3, a prefix 0.012, int8 weights 0.06, another pooling 0.47,
    another model 0.72.

    Examples
    --------
    >>> Canary().page
    0.001
    """

    name: ClassVar[str] = "canary"
    signal: ClassVar[str] = "canary"
    warn: float = 1e-4
    page: float = 1e-3
    worst: float = 1e-2
    noise_factor: float = 10.0

    def __post_init__(self) -> None:
        if not 0.0 < self.warn <= self.page <= self.worst <= 2.0:
            raise ValueError(
                f"need 0 < warn <= page <= worst <= 2, not {self.warn}, {self.page}, {self.worst}"
            )
        if not 1.0 <= self.noise_factor < math.inf:
            raise ValueError(f"noise_factor must be at least 1 and finite, not {self.noise_factor}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's canaries."""
        replays = profile.count("canary.replays")
        if baseline.canary is None or not replays:
            return Reading(
                self.name, self.signal, 0.0, 0, status="insufficient", threshold=self.warn, harmful=True
            )
        distances = profile.sums["canary.distance"] / replays
        noise = self.noise_factor * baseline.canary.floor
        warn, page, worst = max(noise, self.warn), max(noise, self.page), max(noise, self.worst)
        mean, largest = float(distances.mean()), float(distances.max())
        # One scale for both conditions: the largest distance counts in units of its own limit.
        effect = moved = max(mean, largest / worst * page)
        detail: dict[str, float | str] = {
            "largest": largest,
            "noise_floor": baseline.canary.floor,
            "harm_at": page,
        }
        if (levels := _coarser(baseline.canary, profile)) is not None:
            detail["levels"] = levels
            effect = max(effect, warn)
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=mean,
            n=len(distances),
            effect_floor=warn,
            effect=effect,
            threshold=warn,
            harmful=moved >= page,  # rounding alone is a warning, where both limits are one, too
            detail=detail,
        )


def _coarser(reference: CanaryReference, profile: Profile) -> float | None:
    """Return how many distinct values a vector has left, where they are so few that its number format has changed."""
    graded = profile.count("canary.graded")
    if not graded:
        return None
    levels = float(profile.sums["canary.levels"].mean()) / graded
    before = float(count_levels(reference.vectors).mean())
    return levels if levels <= BYTE and levels < COARSER * before else None
