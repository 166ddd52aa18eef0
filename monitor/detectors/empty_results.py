"""Do more questions than before get no answer at all?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.null_laws import log_binomial_sf


@dataclass(frozen=True, slots=True)
class EmptyResults:
    """Share of empty answers, decided by the binomial law around the baseline's own share.

    Parameters
    ----------
    effect_floor : float
        The least rise of the share that counts.
    least : int
        Fewer records than this are ``insufficient``.

    Notes
    -----
    ``P(X >= empty)`` for ``X ~ Binomial(M, q)``, with ``q = (e + 1/2) / (n + 1)`` from the baseline's e of n
    (Jeffreys), taken at the upper end of its own uncertainty (one standard error) since q is an estimate.

    Examples
    --------
    >>> EmptyResults().signal
    'scores'
    """

    name: ClassVar[str] = "empty_results"
    signal: ClassVar[str] = "scores"
    effect_floor: float = 0.02
    least: int = 30

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < 1.0:
            raise ValueError(f"effect_floor must be in [0, 1), not {self.effect_floor}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's profile."""
        empty = profile.count("scores.empty")
        n = empty + profile.count("scores.answers")
        before, total = baseline.empty_answers
        if n < self.least or total < self.least:
            return Reading(
                self.name,
                self.signal,
                0.0,
                n,
                status="insufficient",
                effect_floor=self.effect_floor,
                harmful=True,
            )
        expected = (before + 0.5) / (total + 1.0)
        upper = min(1.0, expected + (expected * (1.0 - expected) / total) ** 0.5)
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=empty / n,
            n=n,
            log_p=log_binomial_sf(empty, n, upper),
            effect_floor=self.effect_floor,
            effect=max(0.0, empty / n - expected),
            harmful=True,
            detail={"baseline": before / total},
        )
