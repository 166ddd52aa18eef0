from __future__ import annotations

import numpy as np

from monitor.baseline.counts import count_window, fill, sum_counts
from tests.core_fakes import world


def test_a_window_that_fitted_nothing_counts_whole() -> None:
    baseline = world.full_baseline()
    data = world.make_window(np.random.default_rng(4), 200, "later", number=30)
    part = count_window(baseline, data.window, world.make_profile(baseline, data))
    assert part.n == int(part.cells.sum()) == 200
    assert {int(scores.sum()) for scores in part.scores.values()} == {200}
    assert (part.empty, part.answers) == (0, 200)
    np.testing.assert_allclose(part.total, data.vectors.astype(np.float64).sum(axis=0), atol=1e-4)


def test_a_baseline_is_the_sum_of_its_windows() -> None:
    quiet = world.quiet_windows()
    baseline, parts = world.build(quiet)
    later = [world.make_window(np.random.default_rng(i), 200, f"l{i}", number=20 + i) for i in range(5)]
    more = [count_window(baseline, w.window, world.make_profile(baseline, w)) for w in later]
    grown = fill(baseline, [*parts, *more])
    assert (grown.windows, grown.records) == (25, 25 * 200)
    assert grown.basis == baseline.basis
    vectors = np.concatenate([w.vectors for w in (*quiet, *later)]).astype(np.float64)
    np.testing.assert_allclose(grown.populations["queries"].mean, vectors.mean(axis=0), atol=1e-6)
    gained = grown.populations["queries"].cells - baseline.populations["queries"].cells
    assert int(gained.sum()) == 5 * 200
    whole = sum_counts(more)
    assert (whole.window.start, whole.window.end) == (later[0].window.start, later[-1].window.end)
