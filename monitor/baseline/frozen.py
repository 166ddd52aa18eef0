"""The values of a baseline; frozen once built, stored as one blob."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.profile import Profile
from monitor.records import Direction, Metric
from monitor.stats.arrays import FloatArray, IntArray, VectorArray

SCORE_COLUMNS = ("top1", "mean", "margin")
PERSISTENT = 200
"""How many stored document vectors are fetched again by id in every window."""


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
    cells : IntArray
        ``(K,)`` occupancy, counted on the other half.
    """

    n: int
    mean: FloatArray
    spread: float
    effective_dimensions: float
    centroids: VectorArray
    cells: IntArray


@dataclass(frozen=True, slots=True)
class CorpusReference:
    """The baseline's bottom-k sample of the index: all hashes, and the vectors of the first few ids.

    ``hashes`` is ``(n,)`` uint64 ascending; ``vectors`` ``(p, d)`` float32 of ``ids`` (p = at most 200);
    ``size`` is the number of documents in the index.
    """

    hashes: NDArray[np.uint64]
    ids: tuple[str, ...]
    vectors: VectorArray
    size: int


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
    score_counts: Mapping[str, IntArray] = field(default_factory=dict)
    empty_answers: tuple[int, int] = (0, 0)
    """(empty, all) answers of the period."""
    corpus: CorpusReference | None = None
    suite: SuiteReference | None = None
    canary: CanaryReference | None = None
    dispersion: Mapping[str, Dispersion] = field(default_factory=dict)
    features: Mapping[str, FittedFeature] = field(default_factory=dict)
    """What detectors beyond the default set asked for when the baseline was built, by the feature's name."""

    @property
    def normalise(self) -> bool:
        """Whether vectors are compared by direction only."""
        return self.metric == "cosine"
