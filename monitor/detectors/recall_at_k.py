"""Does the reference suite still find what was judged relevant?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile
from monitor.records import Reading
from monitor.stats.null_laws import log_paired_loss


@dataclass(frozen=True, slots=True)
class RecallAtK:
    """Recall@K of the suite as users would get it now, newcomers included; NDCG@K and MRR beside it.

    Parameters
    ----------
    signal : {"suite", "index"}
        ``suite`` embeds the suite's queries anew, ``index`` replays their stored vectors (and so leaves the model out).
    effect_floor : float
        The least mean loss of recall that counts.
    least : int
        Fewer judged queries than this are ``insufficient``.

    Notes
    -----
    Definitions of trec_eval (``recall.K``, ``ndcg_cut.K``, ``recip_rank``). Decided by the exact paired sign test
    over queries, against the baseline's own answers. A corpus that grows harmlessly lowers this figure, so on its
    own it is a warning; :class:`monitor.detectors.era_recall.EraRecall` says whether what was there before is still
    found.

    Examples
    --------
    >>> RecallAtK().name
    'recall_at_k'
    """

    name: ClassVar[str] = "recall_at_k"
    signal: Literal["suite", "index"] = "suite"
    effect_floor: float = 0.02
    least: int = 10

    def __post_init__(self) -> None:
        if not 0.0 <= self.effect_floor < 1.0:
            raise ValueError(f"effect_floor must be in [0, 1), not {self.effect_floor}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")

    def measure(self, baseline: Baseline, profile: Profile) -> Reading:
        """Return the reading of one window's replay."""
        reading = suite_reading(
            self.name, self.signal, baseline, profile, "recall", self.effect_floor, self.least
        )
        if reading.status != "ok" or self.signal != "suite":
            return reading
        return replace(reading, detail={**reading.detail, **_split_loss(baseline, profile, reading)})


def _split_loss(baseline: Baseline, profile: Profile, reading: Reading) -> dict[str, float]:
    """Return the loss of recall and its parts; nothing where no answer to the stored vectors stands beside.

    Embedding: what the stored query vectors still find and the live ones do not. ANN: judged documents that lie near
    enough to the stored vectors and are not answered, less those of the baseline's time. Relevance: the rest, judged
    documents that are gone, changed, or crowded out by nearer ones. The parts add up; one below zero is a gain.
    """
    replays, stored = profile.count("index.replays"), profile.sums.get("index.recall")
    if not replays or stored is None or baseline.suite is None:
        return {}
    before = float(baseline.suite.recall.mean())
    with_stored = float(stored.mean()) / replays
    ann = profile.sums.get("index.ann_loss")
    known = ann is not None and profile.count("index.covered") > 0
    usual = baseline.ordinary.get("index.ann_loss_millionths", 0) / 1e6
    lost = float(ann.mean()) / replays - usual if ann is not None and known else 0.0
    return {
        "loss": before - reading.value,
        "loss_embedding": with_stored - reading.value,
        **({"loss_ann": lost} if known else {}),
        "loss_relevance": before - with_stored - lost,
    }


def suite_reading(
    name: str,
    signal: str,
    baseline: Baseline,
    profile: Profile,
    column: str,
    effect_floor: float,
    least: int,
    *,
    harmful: bool = False,
) -> Reading:
    """Return the paired comparison of one recall column of a replay with the baseline's recall."""
    replays = profile.count(f"{signal}.replays")
    suite = baseline.suite
    n = 0 if suite is None else len(suite.query_ids)
    if suite is None or not replays or n < least:
        return Reading(
            name, signal, 0.0, n, status="insufficient", effect_floor=effect_floor, harmful=harmful
        )
    now = profile.sums[f"{signal}.{column}"] / replays
    return Reading(
        detector=name,
        signal=signal,
        value=float(now.mean()),
        n=n,
        log_p=log_paired_loss(suite.recall, now),
        effect_floor=effect_floor,
        effect=max(0.0, float(suite.recall.mean() - now.mean())),
        harmful=harmful,
        detail={
            "k": float(suite.k),
            "baseline": float(suite.recall.mean()),
            "ndcg_at_k": float((profile.sums[f"{signal}.ndcg"] / replays).mean()),
            "ndcg_at_k_baseline": float(suite.ndcg.mean()),
            "mrr": float((profile.sums[f"{signal}.reciprocal_rank"] / replays).mean()),
            "mrr_baseline": float(suite.reciprocal_rank.mean()),
        },
    )
