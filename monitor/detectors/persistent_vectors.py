"""Are the documents' stored vectors still the ones they were?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.null_laws import log_chi2_sf

TOGETHER = math.log(1e-6)
"""The chance of a common step under editing below which another model made the vectors."""


@dataclass(frozen=True, slots=True)
class PersistentVectors:
    """Share of stored document vectors that changed since the baseline.

    Parameters
    ----------
    threshold : float
        The share at which it fires.
    edited : float
        Below this share, changes that keep the documents where documents lie are ordinary editing and do not fire.
    foreign : float
        From this share on it fires as well when the changed vectors moved together, as another model moves them.
    least : int
        Fewer documents found again than this are ``insufficient``.

    Notes
    -----
    Deterministic: the vectors of 400 ids are taken from the index again and compared (1 - cos > 1e-3). Nearly all
    changed is a re-embed, a part is a mixed index.

    Edited texts move each its own way, another model moves all of them from its own mean to the other's. With m changed
    pairs and the mean step D, ``T = m ||D||^2 / (2 tr Sigma)`` and ``T d ~ chi2(d)`` where documents were written anew
    at random (Satterthwaite; see :class:`monitor.detectors.centroid_distance.CentroidDistance`; milder edits
    give less). ``T d`` beyond ``P = 1e-6`` is no editing. Where the model's own vectors have no mean direction
    in common and the other's neither, only the shares speak.

    Examples
    --------
    >>> PersistentVectors(threshold=0.1).threshold
    0.1
    """

    name: ClassVar[str] = "persistent_vectors"
    signal: ClassVar[str] = "corpus"
    threshold: float = 0.05
    edited: float = 0.2
    foreign: float = 0.01
    least: int = 20

    def __post_init__(self) -> None:
        for field in ("threshold", "edited", "foreign"):
            if not 0.0 < getattr(self, field) <= 1.0:
                raise ValueError(f"{field} must be in (0, 1], not {getattr(self, field)}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one look at the index."""
        kept, changed = profile.count("corpus.kept"), profile.count("corpus.changed")
        if baseline.corpus is None or kept < min(self.least, len(baseline.corpus.ids)) or kept == 0:
            return Reading(self.name, self.signal, 0.0, kept, status="insufficient", threshold=self.threshold)
        share = changed / kept
        step = _common_step(baseline, profile)
        log_p = None if step is None else _moved_together(baseline, profile, step)
        sampled, looked = max(1, profile.count("corpus.sampled")), max(1, profile.count("corpus.looked"))
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=share,
            n=kept,
            threshold=self.threshold,
            effect_floor=self.threshold,
            effect=self._effect(share, log_p),
            detail={
                "log_p_moved_together": 0.0 if log_p is None else max(log_p, -1e6),
                "common_step": 1.0 if step is None else step,
                "new_share": profile.count("corpus.new") / sampled,
                "gone_share": profile.count("corpus.gone") / looked / max(1, len(baseline.corpus.hashes)),
                "documents": profile.count("corpus.size") / looked,
                "documents_baseline": float(baseline.corpus.size),
            },
        )

    def _effect(self, share: float, log_p: float | None) -> float:
        """Return the share on the threshold's scale: a foreign part counts from its own limit, an edited one less."""
        if log_p is not None and log_p <= TOGETHER:
            return share / self.foreign * self.threshold if share < self.threshold else share
        if log_p is not None and share < self.edited:
            return share / self.edited * self.threshold
        return share


def _common_step(baseline: Baseline, profile: Profile) -> float | None:
    """Return ``||D||^2 / (2 tr Sigma)`` of the changed vectors' mean step D; None where it cannot be told."""
    steps, changed = profile.sums.get("corpus.moved"), profile.count("corpus.changed")
    population = baseline.populations.get("corpus")
    if steps is None or population is None or steps.shape != population.mean.shape:
        return None
    if not changed or not steps.any():  # nothing moved, or what did has another dimension
        return None
    return float(np.sum((steps / changed) ** 2)) / (2.0 * population.spread)


def _moved_together(baseline: Baseline, profile: Profile, step: float) -> float:
    """Return the log p-value of the changed vectors' mean step under editing."""
    # Windows that were merged saw the same pairs again.
    pairs = profile.count("corpus.changed") / max(1, profile.count("corpus.looked"))
    d = baseline.populations["corpus"].effective_dimensions
    return log_chi2_sf(pairs * step * d, d)
