"""Does the index still find what exact search over the same vectors finds?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.null_laws import log_binomial_sf


@dataclass(frozen=True, slots=True)
class IndexRecall:
    """Share of the exact answer that the live one holds, decided by the binomial law around the baseline's own share.

    Parameters
    ----------
    effect_floor : float
        The least loss that counts.
    least : int
        Fewer exact neighbours than this are ``insufficient``.

    Notes
    -----
    The approximate index apart from everything else: neither the questions' model nor the documents' vectors nor
    relevance judgements have a part in it. ``P(X >= missed)`` for ``X ~ Binomial(asked, q)``, with
    ``q = (m + 1/2) / (n + 1)`` of the baseline's m missed of n (Jeffreys), taken one standard error up since it is an
    estimate. Exact neighbours are known among the sampled documents: those of the suite's stored vectors, and, where
    only a part of the corpus is sampled, sampled documents by their own vectors.

    Examples
    --------
    >>> IndexRecall().signal
    'index'
    """

    name: ClassVar[str] = "index_recall"
    signal: ClassVar[str] = "index"
    effect_floor: float = 0.02
    least: int = 30

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < 1.0:
            raise ValueError(f"effect_floor must be in [0, 1), not {self.effect_floor}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's look at the index."""
        asked, found = profile.count("index.asked"), profile.count("index.found")
        before, total = baseline.ordinary.get("index.found", 0), baseline.ordinary.get("index.asked", 0)
        if asked < self.least or total < self.least:
            return Reading(
                self.name,
                self.signal,
                0.0,
                asked,
                status="insufficient",
                effect_floor=self.effect_floor,
                harmful=True,
            )
        expected = (total - before + 0.5) / (total + 1.0)
        upper = min(1.0, expected + (expected * (1.0 - expected) / total) ** 0.5)
        detail = {"baseline": before / total}
        lost, replays = profile.sums.get("index.ann_loss"), profile.count("index.replays")
        if lost is not None and replays and profile.count("index.covered"):
            detail["ann_loss"] = float(np.mean(lost) / replays)
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=found / asked,
            n=asked,
            log_p=log_binomial_sf(asked - found, asked, upper),
            effect_floor=self.effect_floor,
            effect=max(0.0, (asked - found) / asked - expected),
            harmful=True,
            detail=detail,
        )
