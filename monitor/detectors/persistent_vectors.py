"""Are the documents' stored vectors still the ones they were?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading


@dataclass(frozen=True, slots=True)
class PersistentVectors:
    """Share of stored document vectors that changed since the baseline.

    Parameters
    ----------
    threshold : float
        The share at which it fires; ordinary editing of documents stays below it.
    least : int
        Fewer documents found again than this are ``insufficient``.

    Notes
    -----
    Deterministic: the vectors of 200 ids are fetched again and compared (1 - cos > 1e-3). Nearly all changed is a
    re-embed, a part is a mixed index.

    Examples
    --------
    >>> PersistentVectors(threshold=0.1).threshold
    0.1
    """

    name: ClassVar[str] = "persistent_vectors"
    signal: ClassVar[str] = "corpus"
    threshold: float = 0.05
    least: int = 20

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise ValueError(f"threshold must be in (0, 1], not {self.threshold}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one look at the index."""
        kept, changed = profile.count("corpus.kept"), profile.count("corpus.changed")
        if baseline.corpus is None or kept < min(self.least, len(baseline.corpus.ids)) or kept == 0:
            return Reading(self.name, self.signal, 0.0, kept, status="insufficient", threshold=self.threshold)
        sampled, looked = max(1, profile.count("corpus.sampled")), max(1, profile.count("corpus.looked"))
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=changed / kept,
            n=kept,
            threshold=self.threshold,
            effect_floor=self.threshold,
            detail={
                "new_share": profile.count("corpus.new") / sampled,
                "gone_share": profile.count("corpus.gone") / looked / max(1, len(baseline.corpus.hashes)),
                "documents": profile.count("corpus.size") / looked,
                "documents_baseline": float(baseline.corpus.size),
            },
        )
