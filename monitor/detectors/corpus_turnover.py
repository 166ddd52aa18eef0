"""How much of the corpus is new since the baseline, and how much is gone?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading


@dataclass(frozen=True, slots=True)
class CorpusTurnover:
    """The larger of two shares: of the index's sample that is new, and of the baseline's sample that is gone.

    Parameters
    ----------
    threshold : float
        The share at which it fires: the baseline no longer speaks of this corpus.
    lost : float
        It fires as well when so much more is gone than came: documents were deleted, or a shard is away.
    least : int
        A smaller sample than this is ``insufficient``.

    Notes
    -----
    Deterministic, and no harm in itself. ``sources_kept`` in the detail is the share of the newcomers whose id names a
    source that the baseline's sample holds, over the share that is to be expected of a sample (1 where the corpus was
    sampled whole, else ``1 - (1 - r)(1 - o)`` with the sampling rate r and the share o of the baseline's sample with
    a sibling in it); -1 where ids name no source. With ids turned over and sources kept, texts were cut anew.

    Examples
    --------
    >>> CorpusTurnover(threshold=0.3).signal
    'corpus'
    """

    name: ClassVar[str] = "corpus_turnover"
    signal: ClassVar[str] = "corpus"
    threshold: float = 0.2
    lost: float = 0.1
    least: int = 20

    def __post_init__(self) -> None:
        for field in ("threshold", "lost"):
            if not 0.0 < getattr(self, field) <= 1.0:
                raise ValueError(f"{field} must be in (0, 1], not {getattr(self, field)}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one look at the index."""
        looked, sampled = profile.count("corpus.looked"), profile.count("corpus.sampled")
        reference = baseline.corpus
        if reference is None or not looked or max(sampled / looked, len(reference.hashes)) < self.least:
            return Reading(
                self.name, self.signal, 0.0, sampled, status="insufficient", threshold=self.threshold
            )
        new = profile.count("corpus.new") / max(1, sampled)
        gone = min(1.0, profile.count("corpus.gone") / looked / max(1, len(reference.hashes)))
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=max(new, gone),
            n=sampled,
            threshold=self.threshold,
            effect_floor=self.threshold,
            # One scale for both conditions: a net loss counts in units of its own limit.
            effect=max(new, gone, (gone - new) / self.lost * self.threshold),
            detail={
                "new_share": new,
                "gone_share": gone,
                "sources": float(len(reference.sources)),
                "sources_kept": _sources_kept(baseline, profile),
                "documents": profile.count("corpus.size") / looked,
                "documents_baseline": float(reference.size),
            },
        )


def _sources_kept(baseline: Baseline, profile: Profile) -> float:
    reference = baseline.corpus
    named, new = profile.count("corpus.new_sourced"), profile.count("corpus.new")
    if reference is None or not len(reference.sources) or named < max(1, new / 2):
        return -1.0
    rate = len(reference.hashes) / max(1, reference.size)
    expected = 1.0 if rate >= 1.0 else 1.0 - (1.0 - rate) * (1.0 - reference.source_overlap)
    return min(1.0, profile.count("corpus.new_known") / named / max(expected, 1e-6))
