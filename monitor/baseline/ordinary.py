"""How often what may go wrong went wrong in quiet times: counts that later windows are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from monitor.baseline.frozen import Baseline
from monitor.profile import Profile

COUNTED = (
    "records.seen",
    "records.entries",
    "records.sampled",
    "records.rejected",
    "records.duplicates",
    "records.no_text",
    "records.no_vector",
    "scores.answers",
    "scores.missing",
    "scores.compared",
    "scores.disagree",
    "index.asked",
    "index.found",
    "corpus.reembedded",
    "corpus.disagree",
)
SMALLEST = "records.smallest"
"""The entries of the smallest quiet window: the quietest hour is part of the ordinary."""


def describe_ordinary(baseline: Baseline, windows: Sequence[Profile], looks: Sequence[Profile]) -> Baseline:
    """Return the baseline with the counts of its quiet ``windows`` and of its ``looks`` at the index."""
    totals: Counter[str] = Counter()
    for profile in (*windows, *looks):
        totals.update({name: profile.count(name) for name in COUNTED if name in profile.counts})
    volumes = [p.count("records.entries") for p in windows if p.count("records.windows")]
    if lost := [p.sums["index.ann_loss"].mean() for p in looks if p.count("index.covered")]:
        totals["index.ann_loss_millionths"] = round(1e6 * float(np.mean(lost)))
    return replace(baseline, ordinary={**totals, SMALLEST: min(volumes, default=0)})
