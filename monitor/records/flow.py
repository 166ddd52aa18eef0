"""The values that flow: one direction, frozen, no behaviour beyond derived fields."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.records.record import Record, Rejection, VectorArray

Status = Literal["ok", "insufficient", "invalid"]
State = Literal["quiet", "drift", "insufficient", "invalid"]
Severity = Literal["none", "warning", "critical"]
WindowState = Literal["planned", "running", "done", "parked"]
Direction = Literal["similarity", "distance"]
Metric = Literal["cosine", "dot", "l2"]

SIGNALS = (
    "queries",
    "scores",
    "scores_mean",
    "scores_margin",
    "corpus",
    "suite",
    "canary",
    "index",
    "feedback",
)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open UTC span ``[start, end)`` of one collection, aligned to the epoch."""

    collection: str
    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """The span's length."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Sample:
    """The bounded, deterministic subset of a window's records, and what was seen on the way to it.

    Drawn samples hold their records in columns (:class:`monitor.records.Records`).
    """

    records: Sequence[Record]
    seen: int
    duplicates: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """What an index answered: for each of n queries up to k ids, best first, with their scores.

    ``ids`` is a list of n lists; ``scores`` is ``(n, k)`` float32, padded with NaN where fewer than k came.
    """

    ids: Sequence[Sequence[str]]
    scores: VectorArray


@dataclass(frozen=True, slots=True)
class CorpusSample:
    """A bottom-k sample of an index: ids, their vectors ``(n, d)`` float32, and the corpus size.

    The ids are those with the smallest 64-bit hash (:func:`monitor.stats.sampling.hash_id`), in hash order, so
    that two samples of the same corpus agree and a new id below the largest hash is really new. ``texts`` are the
    documents' texts in the same order, "" for one that has none, where the index can give them.
    """

    ids: tuple[str, ...]
    vectors: VectorArray
    size: int
    texts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """One query of the reference suite with its relevant documents and their grades (> 0).

    ``vector`` is only needed where no embedder is at hand: then the suite watches the index alone.
    """

    id: str
    text: str
    relevant: Mapping[str, int]
    vector: VectorArray | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one detector measured on one signal of one window.

    Attributes
    ----------
    value : float
        The shown effect (a distance, a divergence, a recall), finite; 0.0 where ``status`` is not ``ok``.
    n : int
        How many observations of the window it rests on.
    log_p : float or None
        Natural logarithm of the p-value under no drift; None for deterministic probes.
    statistic, dof : float or None
        The test statistic in units of its chi-square law, before over-dispersion; for calibration.
    effect_floor : float
        Effects below it never count as drift, whatever their p-value.
    effect : float or None
        What is compared with the floor when it is not ``value`` itself (a loss of recall, say).
    threshold : float or None
        Only for deterministic probes: the effect at which the probe fires at once.
    harmful : bool
        Whether firing means that users are served worse (it decides severity).
    alone : bool
        Whether the p-value counts by itself and is not added to earlier ones: it looked at their windows too.
    detail : mapping
        Further figures worth showing; numbers and short fixed words only, never text of users.
    """

    detector: str
    signal: str
    value: float
    n: int
    status: Status = "ok"
    log_p: float | None = None
    statistic: float | None = None
    dof: float | None = None
    effect_floor: float = 0.0
    effect: float | None = None
    threshold: float | None = None
    harmful: bool = False
    alone: bool = False
    detail: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """``detector.signal``: the name of the stream that this reading belongs to."""
        return f"{self.detector}.{self.signal}"

    @property
    def p_value(self) -> float | None:
        """The p-value itself; underflows to 0.0 below 1e-308, where ``log_p`` still tells."""
        return None if self.log_p is None else math.exp(self.log_p)

    @property
    def shift(self) -> float:
        """The effect that is held against the floor or the threshold."""
        return self.value if self.effect is None else self.effect


@dataclass(frozen=True, slots=True)
class Evidence:
    """The running e-value of one stream, in natural logarithms, and whether it has crossed its threshold."""

    detector: str
    signal: str
    log_e: float = -math.inf
    firing: bool = False
    calm: int = 0
    """Windows in a row that looked quiet while firing; hysteresis resolves after a few."""

    @property
    def key(self) -> str:
        """``detector.signal``."""
        return f"{self.detector}.{self.signal}"


@dataclass(frozen=True, slots=True)
class Cause:
    """A named cause with its confidence in [0, 1] and the readings (keys) that decided."""

    name: str
    confidence: float
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one window: state, causes (most likely first), severity and what fired."""

    state: State
    severity: Severity = "none"
    causes: tuple[Cause, ...] = ()
    fired: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """Plain sentences for an invalid or insufficient window: what is wrong and the mend."""

    @property
    def cause(self) -> str:
        """The most likely cause, or ``none``."""
        return self.causes[0].name if self.causes else "none"


@dataclass(frozen=True, slots=True)
class Ingest:
    """When documents arrive, as the windows so far have seen it: in the time of the windows, not of any clock.

    ``size`` and ``new`` are the documents in the index and those new since the baseline at the last look; ``newest`` is
    the end of the last window that saw one arrive, ``since`` that of the first look. ``gaps`` counts the times between
    arrivals, ``longest`` is the longest of them in seconds.
    """

    since: datetime
    newest: datetime
    size: int
    new: int
    gaps: int = 0
    longest: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that one window's walk produced; committed as one piece or not at all.

    ``profile`` is the packed mergeable profile; ``evidence`` the state after this window (None for a late
    window, which never rewrites evidence); ``corpus_seen`` the 64-bit hashes of the corpus sample that later
    windows call known, and ``ingest`` when documents arrived.
    """

    window: Window
    baseline_id: int
    readings: tuple[Reading, ...]
    verdict: Verdict
    sample: Sample
    profile: bytes
    evidence: tuple[Evidence, ...] | None
    corpus_seen: NDArray[np.uint64] | None
    duration: float = 0.0
    ingest: Ingest | None = None
