"""What single windows give to a baseline's counts, and a baseline that is the sum of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile, merge_all
from monitor.records import Window
from monitor.stats.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """One window's share of the counts; calibration takes it out again (leave-one-out).

    ``cells`` and ``scores`` are of the counting half where the window's other half fitted the codebook and the bins.
    """

    window: Window
    n: int
    total: FloatArray
    cells: IntArray
    scores: Mapping[str, IntArray]
    empty: int
    answers: int
    features: Mapping[str, Profile] = field(default_factory=dict)


def count_window(baseline: Baseline, window: Window, profile: Profile) -> WindowCounts:
    """Return a window's share from its profile, for a window that fitted nothing."""
    return WindowCounts(
        window=window,
        n=profile.count("queries.n"),
        total=profile.sums["queries.total"],
        cells=profile.counts["queries.cells"],
        scores={name: profile.counts[f"scores.{name}"] for name in baseline.score_edges},
        empty=profile.count("scores.empty"),
        answers=profile.count("scores.answers") + profile.count("scores.empty"),
    )


def sum_counts(parts: Sequence[WindowCounts]) -> WindowCounts:
    """Return several windows' share together, as of the span that they make."""
    return WindowCounts(
        window=Window(parts[0].window.collection, parts[0].window.start, parts[-1].window.end),
        n=sum(p.n for p in parts),
        total=np.sum([p.total for p in parts], axis=0),
        cells=np.sum([p.cells for p in parts], axis=0, dtype=np.int64),
        scores={
            name: np.sum([p.scores[name] for p in parts], axis=0, dtype=np.int64) for name in parts[0].scores
        },
        empty=sum(p.empty for p in parts),
        answers=sum(p.answers for p in parts),
        features={
            name: merge_all(tally.basis, (p.features[name] for p in parts))
            for name, tally in parts[0].features.items()
        },
    )


def fill(baseline: Baseline, parts: Sequence[WindowCounts]) -> Baseline:
    """Return the baseline with the counts of all its windows."""
    whole = sum_counts(parts)
    queries = replace(
        baseline.populations["queries"],
        n=whole.n,
        mean=whole.total / max(1, whole.n),
        cells=whole.cells,
    )
    return replace(
        baseline,
        windows=len(parts),
        records=whole.n,
        populations={**baseline.populations, "queries": queries},
        score_counts=whole.scores,
        empty_answers=(whole.empty, whole.answers),
        features={
            name: replace(fitted, tally=whole.features[name])
            for name, fitted in baseline.features.items()
            if name in whole.features
        },
    )
