"""Were new documents embedded by the same model as the old ones?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from monitor.baseline.frozen import Baseline
from monitor.baseline.newcomers import FAR
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.null_laws import log_binomial_sf

SURE = math.log(1e-6)


@dataclass(frozen=True, slots=True)
class ForeignVectors:
    """Share of the new documents whose vector another model must have made.

    Parameters
    ----------
    threshold : float
        The share at which it fires.
    least : int
        So many foreign vectors there must be.

    Notes
    -----
    Deterministic. Where the index gives texts, new documents are embedded anew and compared (1 - cos > 0.05), provided
    that the baseline's documents agreed. Without texts a vector is foreign when it lies farther from every cell of the
    documents' codebook than 999 of 1,000 documents of the baseline: a new topic of the same model rarely does (at most
    8% of it, measured on the documentation of the standard library, each area held out in turn), a model whose vectors
    fill another part of the space nearly always. A model that packs its vectors into a part that ours fills is not
    seen so. Either share also needs ``P < 1e-6`` under the binomial law.

    Examples
    --------
    >>> ForeignVectors().threshold
    0.3
    """

    name: ClassVar[str] = "foreign_vectors"
    signal: ClassVar[str] = "corpus"
    threshold: float = 0.3
    least: int = 3

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise ValueError(f"threshold must be in (0, 1], not {self.threshold}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one look at the new documents: by their texts where those were given."""
        before = baseline.ordinary
        asked, disagree = profile.count("corpus.reembedded"), profile.count("corpus.disagree")
        known = before.get("corpus.reembedded", 0)
        ordinary = (before.get("corpus.disagree", 0) + 0.5) / (known + 1.0)
        by_text = known > 0 and ordinary < 0.1 and asked >= self.least
        if not by_text:
            asked, disagree = profile.count("corpus.new_looked"), profile.count("corpus.new_far")
            ordinary = 2.0 * FAR  # a quantile of a thousand documents is itself uncertain
        if baseline.corpus is None or asked < self.least:
            return Reading(
                self.name, self.signal, 0.0, asked, status="insufficient", threshold=self.threshold
            )
        surely = disagree >= self.least and log_binomial_sf(disagree, asked, ordinary) <= SURE
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=disagree / asked,
            n=asked,
            threshold=self.threshold,
            effect_floor=self.threshold,
            effect=disagree / asked if surely else 0.0,
            detail={
                "told_by": "texts" if by_text else "place",
                # Alike beyond any region of the baseline: a template, or another model that packs its vectors so.
                "tight": float(not by_text and profile.count("corpus.new_tight") > 0),
            },
        )
