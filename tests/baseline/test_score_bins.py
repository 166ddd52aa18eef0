from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.baseline.features import half
from monitor.baseline.score_bins import BINS, ScoreBins
from tests.core_fakes import world


def test_the_bins_are_filled_evenly_by_the_half_that_they_were_not_fitted_on() -> None:
    fitted = world.full_baseline().features["score_bins"]
    counting = sum(len(half(w, counting=True).ids) for w in world.quiet_windows())
    for column in ("top1", "mean", "margin"):
        counts = fitted.tally.counts[f"score_bins.{column}"]
        assert len(counts) == BINS
        assert int(counts.sum()) == counting
        assert float(counts.max()) < 2.0 * counting / BINS


def test_a_log_without_scores_has_no_bins() -> None:
    window = world.make_window(np.random.default_rng(0), 400, "w")
    bare = replace(window, sample=world.make_sample([replace(r, scores=None) for r in window.sample.records]))
    assert ScoreBins().fit(world.full_baseline(), bare) is None


def test_answers_of_one_hit_have_no_margin() -> None:
    window = world.make_window(np.random.default_rng(0), 400, "w")
    records = [replace(r, hits=r.hits[:1], scores=r.scores[:1]) for r in window.sample.records if r.scores]
    fitted = ScoreBins().fit(world.full_baseline(), replace(window, sample=world.make_sample(records)))
    assert fitted is not None
    assert sorted(fitted) == ["mean", "top1"]
