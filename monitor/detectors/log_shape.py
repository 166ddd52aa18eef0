"""Has the log itself changed: fields gone, lines that cannot be read, records that come twice or not at all?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.null_laws import log_binomial_sf

SURE = math.log(1e-6)
"""Shares of a small window scatter; a rise that is likelier than this is no change of the log."""


@dataclass(frozen=True, slots=True)
class LogShape:
    """The largest change of what the log carries, in units of the limit at which it counts.

    Parameters
    ----------
    share : float
        Largest rise of a share: records without a text or a vector that the log used to carry, answers without scores,
        records that come twice.
    rejected : float
        Largest rise of the share of entries that cannot be read.
    collapse : float
        The smallest window of quiet history over this: fewer entries are a collapse.
    least : int
        Smaller windows of quiet history, and of windows with entries, are ``insufficient``.

    Notes
    -----
    Deterministic, and held against quiet history: a log that never carried scores has not lost them. A rise also needs
    ``P(X >= lost) < 1e-6`` under the binomial law around the share of quiet history (Jeffreys).

    Examples
    --------
    >>> LogShape().signal
    'queries'
    """

    name: ClassVar[str] = "log_shape"
    signal: ClassVar[str] = "queries"
    share: float = 0.2
    rejected: float = 0.05
    collapse: float = 5.0
    least: int = 30

    def __post_init__(self) -> None:
        for field in ("share", "rejected"):
            if not 0.0 < getattr(self, field) <= 1.0:
                raise ValueError(f"{field} must be in (0, 1], not {getattr(self, field)}")
        if not 1.0 <= self.collapse < math.inf:
            raise ValueError(f"collapse must be at least 1 and finite, not {self.collapse}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's log."""
        before = baseline.ordinary
        # Windows that were merged have as many looks at the log as there were windows.
        windows = max(1, profile.count("records.windows"))
        entries = profile.count("records.seen") + profile.count("records.rejected")
        smallest = before.get("records.smallest", 0)
        if smallest < self.least or not profile.count("records.windows"):
            return Reading(self.name, self.signal, 0.0, entries, status="insufficient", threshold=1.0)
        volume = smallest / (self.collapse * max(1.0, entries / windows))
        changes = {"volume": volume}
        if entries >= self.least:
            for name, (part, whole, limit) in {
                "no_text": ("records.no_text", "records.sampled", self.share),
                "no_vector": ("records.no_vector", "records.sampled", self.share),
                "no_scores": ("scores.missing", "scores.answers", self.share),
                "duplicates": ("records.duplicates", "records.seen", self.share),
                "rejected": ("records.rejected", "records.entries", self.rejected),
            }.items():
                seen = (profile.count(part), profile.count(whole))
                changes[name] = _rise(seen, (before.get(part, 0), before.get(whole, 0))) / limit
        worst = max(changes, key=lambda name: changes[name])
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=changes[worst],
            n=entries,
            threshold=1.0,
            effect_floor=1.0,
            detail={**changes, "worst": worst, "smallest_quiet_window": float(smallest)},
        )


def _rise(now: tuple[int, int], before: tuple[int, int]) -> float:
    """Return by how much the share rose beyond chance, 0.0 where it did not."""
    part, whole = now
    if not whole or not before[1]:
        return 0.0
    ordinary = (before[0] + 0.5) / (before[1] + 1.0)
    if log_binomial_sf(part, whole, ordinary) > SURE:
        return 0.0
    return max(0.0, part / whole - ordinary)
