"""The series budget: what is left out of the exposition, and in which order, when there would be too many series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, get_args

from monitor.segments import parent_of

Weight = Literal["detail", "course", "stream", "state"]
"""How much is lost without a family: a detail of a dashboard, the course of a stream's evidence, what alerts on a
single stream rest on, what says whether a collection is watched and in drift."""

MAX_SERIES = 50_000
"""Series of one exposition, unless `metrics.max_series` says otherwise."""

WEIGHTS: Mapping[str, Weight] = {
    "driftmon_reading": "detail",
    "driftmon_reading_p_value": "detail",
    "driftmon_reading_valid": "detail",
    "driftmon_recall_at_k": "detail",
    "driftmon_sample_size": "detail",
    "driftmon_evidence": "course",
    "driftmon_evidence_threshold": "course",
    "driftmon_reading_threshold": "course",
    "driftmon_reading_effect": "stream",
    "driftmon_evidence_firing": "stream",
}
"""Families of a collection that can go first; every other one is its state and goes last."""

Samples = Mapping[str, Mapping[tuple[str, ...], float]]
Unit = tuple[str, str]
"""A family of one collection: goes or stays as a whole."""


def weigh(family: str) -> Weight:
    """Return how much is lost without a family that has a label ``collection``."""
    return WEIGHTS.get(family, "state")


def choose_dropped(
    samples: Samples, ours: Collection[str], troubled: Collection[str], limit: int
) -> dict[Unit, int]:
    """Return the units that must go so that ``limit`` series are left, each with its number of series.

    ``ours`` names the families whose first label is a collection; no other family ever goes. Details go first,
    then courses, then streams, then states; within each, segments before whole collections, those
    without an open incident (``troubled`` have one) before the others, and the last in the snapshot first.
    """
    excess = sum(len(family) for family in samples.values()) - limit
    if excess <= 0:
        return {}
    order: dict[str, int] = {}
    counts: Counter[tuple[Weight, str, str]] = Counter()
    for name in ours:
        for labels in samples[name]:
            counts[weigh(name), labels[0], name] += 1
            order.setdefault(labels[0], len(order))
    dropped: dict[Unit, int] = {}
    for weight, collection in _sacrifices(order, troubled):
        if excess <= 0:
            break
        for name in ours:
            if count := counts[weight, collection, name]:
                dropped[name, collection] = count
                excess -= count
    return dropped


def _sacrifices(order: Mapping[str, int], troubled: Collection[str]) -> Iterable[tuple[Weight, str]]:
    """Yield what goes, the least important first."""
    last_first = sorted(order, key=lambda c: (parent_of(c) is None, c in troubled, -order[c]))
    return ((weight, collection) for weight in get_args(Weight) for collection in last_first)


def most_series(streams: int, signals: int, incidents: int = 0) -> int:
    """Return the most series that one collection can have.

    >>> most_series(streams=27, signals=9)
    218
    """
    return 7 * streams + signals + incidents + _FIXED


_FIXED = 20
"""Threshold of the evidence 1, verdict 4, no incident 2, windows 4, end, lag and length of the last one 3,
baseline 1, recall 1, kinds of event 4."""
