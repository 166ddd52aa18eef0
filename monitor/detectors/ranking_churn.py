"""How much did the answers themselves change, better or worse?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading


@dataclass(frozen=True, slots=True)
class RankingChurn:
    """One minus the mean rank-biased overlap of the suite's answers with the baseline's; Jaccard@K beside it.

    Parameters
    ----------
    signal : {"suite", "index"}
        With live embeddings, or with the baseline's stored query vectors.

    Notes
    -----
    RBO with p = 0.9, extrapolated (Webber, Moffat and Zobel 2010, eq. 32). Informational: churn is no harm in
    itself, so it has no p-value and never fires.

    Examples
    --------
    >>> RankingChurn().name
    'ranking_churn'
    """

    name: ClassVar[str] = "ranking_churn"
    signal: Literal["suite", "index"] = "suite"

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's replay."""
        replays = profile.count(f"{self.signal}.replays")
        n = 0 if baseline.suite is None else len(baseline.suite.query_ids)
        if not replays or not n:
            return Reading(self.name, self.signal, 0.0, n, status="insufficient")
        rbo = float(profile.sums[f"{self.signal}.rbo"].mean() / replays)
        jaccard = float(profile.sums[f"{self.signal}.jaccard"].mean() / replays)
        return Reading(
            detector=self.name,
            signal=self.signal,
            value=min(1.0, max(0.0, 1.0 - rbo)),
            n=n,
            detail={"rbo": rbo, "jaccard_at_k": jaccard},
        )
