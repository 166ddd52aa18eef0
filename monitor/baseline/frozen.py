"""The values of a baseline; frozen once built, stored as one blob."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.profile import Profile
from monitor.records import Direction, Metric
from monitor.stats.arrays import CountArray, FloatArray, IntArray, VectorArray
from monitor.stats.codebook import cut_order, merge_order
from monitor.stats.shift_form import ShiftForm

SCORE_COLUMNS = ("top1", "mean", "margin")
PERSISTENT = 400
"""How many stored document vectors are kept and compared with the index's in every window.

A twentieth of them made by another model is then some twenty: enough for their common step to be told from editing
where the two models' means lie close (ten were enough in 35 of 50 runs on news, twenty in 50 of 50)."""


@dataclass(frozen=True, slots=True)
class Population:
    """What the baseline knows of one population of vectors.

    Attributes
    ----------
    n : int
        Vectors behind mean and spread.
    mean : FloatArray
        ``(d,)`` mean of the (unit) vectors.
    spread : float
        ``tr Sigma``: the mean squared distance to the mean.
    effective_dimensions : float
        ``(tr Sigma)^2 / tr Sigma^2``: how many equal directions would vary as much.
    centroids : VectorArray
        ``(K, d)`` codebook, fitted on one half of the vectors.
    cells : CountArray
        ``(K,)`` occupancy, counted on the other half; not whole where hours are weighted.
    joins : IntArray or None
        ``(K - 1, 2)`` the order in which cells are merged where a window is too small for all of them; None in a
        baseline of an earlier release, where it follows from the cells.
    form : ShiftForm or None
        How a shift of the mean is measured; None in a baseline that an earlier release took, where every direction
        counts by its variance.
    """

    n: float
    mean: FloatArray
    spread: float
    effective_dimensions: float
    centroids: VectorArray
    cells: CountArray
    joins: IntArray | None = None
    form: ShiftForm | None = None

    def groups(self, k: int) -> IntArray:
        """Return which of at most ``k`` groups each cell belongs to when cells are merged, ``(K,)``."""
        joins = merge_order(self.centroids, self.cells) if self.joins is None else self.joins
        return cut_order(joins, k)


@dataclass(frozen=True, slots=True)
class CorpusReference:
    """The baseline's bottom-k sample of the index: all hashes, and the vectors of the first few ids.

    ``hashes`` is ``(n,)`` uint64 ascending; ``vectors`` ``(p, d)`` float32 of ``ids`` (p = at most 400);
    ``size`` is the number of documents in the index. ``sources`` are the hashes of the sources that the sampled ids
    name (``doc-7`` of ``doc-7#3``), ascending, none where ids name no source; ``source_overlap`` is the share of the
    sample whose source another document of it shares. ``nearness`` is the cosine to the nearest cell that all but one
    in a thousand documents reach (-1: not measured), ``tightness`` the mean cosine between two documents of the cell in
    which they are most alike (1: not measured).
    """

    hashes: NDArray[np.uint64]
    ids: tuple[str, ...]
    vectors: VectorArray
    size: int
    sources: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    source_overlap: float = 0.0
    nearness: float = -1.0
    tightness: float = 1.0


@dataclass(frozen=True, slots=True)
class SuiteReference:
    """The reference suite as the baseline answered it: per query the vector, the ranking and its measures.

    ``rankings`` reach ``depth`` = 4 k deep, ``depth_scores`` ``(q,)`` is the score of the last one (``-inf`` where the
    ranking is shorter): under the same vectors, an unknown document above it is new.
    """

    query_ids: tuple[str, ...]
    relevant: tuple[Mapping[str, int], ...]
    vectors: VectorArray
    rankings: tuple[tuple[str, ...], ...]
    depth_scores: FloatArray
    recall: FloatArray
    ndcg: FloatArray
    reciprocal_rank: FloatArray
    k: int
    depth: int


@dataclass(frozen=True, slots=True)
class CanaryReference:
    """The canaries' vectors ``(c, d)`` and the noise floor: the 99th percentile of 1 - cos between two embeddings."""

    vectors: VectorArray
    floor: float


@dataclass(frozen=True, slots=True)
class FittedFeature:
    """What a :class:`monitor.protocols.Feature` froze: its parameters, and what the baseline's own windows add up to.

    ``parameters`` are arrays that only the feature and its detectors understand; ``tally`` holds counts and sums as a
    window's profile holds them.
    """

    parameters: Mapping[str, NDArray[Any]]
    tally: Profile


@dataclass(frozen=True, slots=True)
class Dispersion:
    """How the baseline period's own windows scatter about the analytic law of one stream.

    The statistic over its degrees of freedom is ``factor`` times a chi-square of ``share * dof`` degrees over its own;
    ``windows`` is how many windows told so (0: the analytic law stands alone).
    """

    factor: float = 1.0
    share: float = 1.0
    windows: int = 0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What the baseline counted hour by hour, where its questions follow the hours.

    Attributes
    ----------
    period : int
        Hours after which it repeats: 24, or 168 for a week.
    reach : float
        Hours to either side that a moment is compared with, the farther the less.
    n : IntArray
        ``(period,)`` vectors of each hour.
    totals : FloatArray
        ``(period, d)`` their sums.
    cells : IntArray
        ``(period, K)`` their occupancy.
    scores : mapping
        ``(period, bins)`` per column of scores.
    """

    period: int
    reach: float
    n: IntArray
    totals: FloatArray
    cells: IntArray
    scores: Mapping[str, IntArray]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The frozen reference of one collection; every detector compares a window's profile with it."""

    collection: str
    basis: str
    dimension: int
    metric: Metric
    direction: Direction
    k: int
    windows: int
    records: int
    populations: Mapping[str, Population] = field(default_factory=dict)
    score_edges: Mapping[str, FloatArray] = field(default_factory=dict)
    score_counts: Mapping[str, CountArray] = field(default_factory=dict)
    empty_answers: tuple[int, int] = (0, 0)
    """(empty, all) answers of the period."""
    corpus: CorpusReference | None = None
    suite: SuiteReference | None = None
    canary: CanaryReference | None = None
    dispersion: Mapping[str, Dispersion] = field(default_factory=dict)
    rhythm: Rhythm | None = None
    features: Mapping[str, FittedFeature] = field(default_factory=dict)
    """What detectors beyond the default set asked for when the baseline was built, by the feature's name."""
    ordinary: Mapping[str, int] = field(default_factory=dict)
    """Counts of the quiet windows' profiles, by name: how often what may go wrong went wrong anyway."""

    @property
    def normalise(self) -> bool:
        """Whether vectors are compared by direction only."""
        return self.metric == "cosine"
