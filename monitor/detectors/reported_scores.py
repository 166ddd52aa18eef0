"""Are logged scores still what the vectors give?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.null_laws import log_binomial_sf

SURE = math.log(1e-6)


@dataclass(frozen=True, slots=True)
class ReportedScores:
    """Share of the logged scores that differ by more than 1e-3 from those recomputed out of question and document.

    Parameters
    ----------
    threshold : float
        The rise of that share at which it fires.
    least : int
        Fewer scores that can be recomputed are ``insufficient``.
    agreed : float
        The least share that must have agreed in quiet history; where scores come from a re-ranker none ever did, and
        nothing can be told from them.

    Notes
    -----
    Deterministic: the control for every other score chart. Where the metric, the scale or a re-ranker changed, scores
    disagree; where questions, documents or answers changed, they agree as before. A changed query model makes them
    disagree as well, and the canaries tell that. A rise also needs ``P < 1e-6`` under the binomial law.

    Examples
    --------
    >>> ReportedScores().threshold
    0.2
    """

    name: ClassVar[str] = "reported_scores"
    signal: ClassVar[str] = "scores"
    threshold: float = 0.2
    least: int = 30
    agreed: float = 0.9

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise ValueError(f"threshold must be in (0, 1], not {self.threshold}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")
        if not 0.0 < self.agreed <= 1.0:
            raise ValueError(f"agreed must be in (0, 1], not {self.agreed}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's profile."""
        compared, disagree = profile.count("scores.compared"), profile.count("scores.disagree")
        total, before = (
            baseline.ordinary.get("scores.compared", 0),
            baseline.ordinary.get("scores.disagree", 0),
        )
        if compared < self.least or total < self.least or before > (1.0 - self.agreed) * total:
            return Reading(
                self.name, self.signal, 0.0, compared, status="insufficient", threshold=self.threshold
            )
        expected = (before + 0.5) / (total + 1.0)
        surely = log_binomial_sf(disagree, compared, expected) <= SURE
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=disagree / compared,
            n=compared,
            threshold=self.threshold,
            effect_floor=self.threshold,
            effect=max(0.0, disagree / compared - expected) if surely else 0.0,
            detail={"baseline": before / total},
        )
