"""Does the log hold more entries twice than it did?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from monitor.baseline.build import WindowData
from monitor.baseline.frozen import Baseline
from monitor.detectors.lacking import insufficient
from monitor.detectors.one_sided import one_sided_log_p
from monitor.profile import Profile, counts_profile
from monitor.records import Reading
from monitor.stats.predictive import log_predictive_sf


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Entries of sampled ids: how often one was there for the first time, and how often again."""

    name: ClassVar[str] = "duplicates"
    held_out: ClassVar[bool] = False

    def fit(self, baseline: Baseline, window: WindowData) -> Mapping[str, NDArray[Any]] | None:
        """Return nothing: counts need no parameters."""
        del baseline, window
        return {}

    def tally(
        self, baseline: Baseline, parameters: Mapping[str, NDArray[Any]], window: WindowData
    ) -> Profile:
        """Return ``duplicates.first`` and ``duplicates.again``."""
        del parameters
        return counts_profile(
            baseline.basis,
            duplicates__first=len(window.sample.records),
            duplicates__again=window.sample.duplicates,
        )


@dataclass(frozen=True, slots=True)
class DuplicateRate:
    """Share of log entries whose id was there before, in the same window; only a rise counts.

    Parameters
    ----------
    effect_floor : float
        The least rise of the share that counts.
    least : int
        Fewer entries than this are ``insufficient``.

    Notes
    -----
    ``P(X >= again)`` under the beta-binomial law of :func:`monitor.stats.predictive.log_predictive_sf`. Duplicates
    come in bursts: where quiet windows scatter more than independent entries would, the larger of that p-value and
    the one of ``z = (again - M q) / sqrt(M q (1 - q) (1 + M / N))`` under the measured over-dispersion stands. A
    repeated entry is dropped from the sample, so no other chart sees it: it is a writer that retries, or two that
    write the same.

    Examples
    --------
    >>> DuplicateRate().key
    'duplicate_rate.queries'
    """

    name: ClassVar[str] = "duplicate_rate"
    signal: ClassVar[str] = "queries"
    features: ClassVar[tuple[Duplicates, ...]] = (Duplicates(),)
    effect_floor: float = 0.01
    least: int = 30

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < 1.0:
            raise ValueError(f"effect_floor must be in [0, 1), not {self.effect_floor}")
        if self.least < 2:
            raise ValueError(f"least must be at least 2, not {self.least}")

    @property
    def key(self) -> str:
        """The stream's name."""
        return f"{self.name}.{self.signal}"

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's profile."""
        duplicates = baseline.features.get("duplicates")
        n, again = _entries(profile)
        total, before = (0, 0) if duplicates is None else _entries(duplicates.tally)
        if duplicates is None or min(n, total) < self.least:
            return insufficient(self, n, "duplicates", lacking=duplicates is None, floor=self.effect_floor)
        expected = (before + 0.5) / (total + 1.0)
        z = (again - n * expected) / math.sqrt(n * expected * (1.0 - expected) * (1.0 + n / total))
        log_p = log_predictive_sf(again, n, before, total)
        dispersion = baseline.dispersion.get(self.key)
        if dispersion is not None and dispersion.windows and dispersion.factor > 1.0:
            log_p = max(log_p, one_sided_log_p(z, dispersion))
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=again / n,
            n=n,
            log_p=log_p,
            statistic=float(z * z),
            dof=1.0,
            effect_floor=self.effect_floor,
            effect=max(0.0, again / n - expected),
            detail={"baseline": before / total},
        )


def _entries(profile: Profile) -> tuple[int, int]:
    """Return how many entries there are, and how many of them came again."""
    again = profile.count("duplicates.again")
    return profile.count("duplicates.first") + again, again
