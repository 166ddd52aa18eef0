"""Do new documents still arrive?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading


@dataclass(frozen=True, slots=True)
class IngestGap:
    """Time without a new document, in units of the usual gap between newcomers.

    Parameters
    ----------
    factor : float
        It fires beyond so many usual gaps.
    least : int
        Fewer gaps than this are ``insufficient``: a corpus that never grows is never called dead.
    days : float
        So long must arrivals have been watched: a night, or a weekend, is part of the usual.

    Notes
    -----
    Deterministic. The usual gap is the longest that the windows have seen, carried from window to window in their
    own time. Of arrivals at random (exponential gaps) a silence of 3 times the longest of n gaps has the chance
    ``n! 3! / (n + 3)!``: .2% after 12 gaps, and about 2% in all gaps that ever follow. Not harm in itself: a warning.

    Examples
    --------
    >>> IngestGap().factor
    3.0
    """

    name: ClassVar[str] = "ingest_gap"
    signal: ClassVar[str] = "corpus"
    factor: float = 3.0
    least: int = 12
    days: float = 7.0

    def __post_init__(self) -> None:
        if not 1.0 <= self.factor < math.inf:
            raise ValueError(f"factor must be at least 1 and finite, not {self.factor}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")
        if not 0.0 <= self.days < math.inf:
            raise ValueError(f"days must be finite and not negative, not {self.days}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window: the silence at its end."""
        looked = profile.count("ingest.looked")
        gaps = profile.count("ingest.gaps") // max(1, looked)
        longest = profile.count("ingest.longest") / max(1, looked)
        watched = profile.count("ingest.watched") / max(1, looked)
        short = gaps < self.least or watched < 86_400.0 * self.days or longest <= 0
        if baseline.corpus is None or not looked or short:
            return Reading(self.name, self.signal, 0.0, gaps, status="insufficient", threshold=self.factor)
        silent = profile.count("ingest.silent") / looked
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=silent / longest,
            n=gaps,
            threshold=self.factor,
            effect_floor=self.factor,
            detail={"silent_hours": silent / 3600.0, "usual_gap_hours": longest / 3600.0},
        )
