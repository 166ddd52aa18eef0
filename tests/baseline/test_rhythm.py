from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import pytest

from monitor.baseline import Baseline, WindowData
from monitor.baseline.counts import WindowCounts
from monitor.baseline.rhythm import find_rhythm, hour_of, kernel, match_hours, without
from monitor.records import Window
from tests.core_fakes import world

HOUR = timedelta(hours=1)


def window(number: int) -> Window:
    return Window("docs", world.START + number * HOUR, world.START + (number + 1) * HOUR)


def daily(number: int, n: int = 120, *, swing: float = 0.8) -> WindowData:
    """By day half of the topics are asked about more, by night the other half."""
    rng = np.random.default_rng([3, number])
    by_day = 0.5 * (1.0 + swing * np.sin(2 * np.pi * number / 24))
    topics = rng.integers(0, 4, n) + np.where(rng.random(n) < by_day, 0, 4)
    vectors = world.unit(world.centres()[topics] + rng.normal(scale=0.12, size=(n, world.D)))
    records = world.make_records(rng, vectors, f"h{number}")
    return WindowData(world.make_sample(records), vectors, tuple(r.id for r in records), window(number))


@cache
def taken(days: int = 7, swing: float = 0.8) -> tuple[Baseline, tuple[WindowCounts, ...]]:
    return world.build([daily(i, swing=swing) for i in range(24 * days)])


def with_rhythm() -> Baseline:
    baseline, parts = taken()
    return replace(baseline, rhythm=find_rhythm(parts))


def test_a_daily_cycle_is_found_and_its_absence_too() -> None:
    found = find_rhythm(taken()[1])
    assert found is not None
    assert found.period == 24
    assert int(found.n.sum()) == 7 * 24 * 120
    assert find_rhythm(taken(swing=0.0)[1]) is None


def test_weekdays_need_weeks() -> None:
    def weekly(number: int) -> WindowData:
        weekend = number % 168 >= 120
        return replace(daily(number if weekend else 0), window=window(number))

    one, four = ([weekly(i) for i in range(168 * weeks)] for weeks in (1, 4))
    rhythm = find_rhythm(world.build(one)[1])
    assert rhythm is None or rhythm.period == 24
    rhythm = find_rhythm(world.build(four)[1])
    assert rhythm is not None
    assert rhythm.period == 168


def test_a_window_is_compared_with_its_own_hours() -> None:
    baseline = with_rhythm()
    for number in (6, 18):
        queries = match_hours(baseline, [(window(number), 1.0)]).populations["queries"]
        own = np.mean([daily(number + 24 * d, 2000).vectors.mean(axis=0) for d in range(3)], axis=0)
        pooled = np.linalg.norm(own - baseline.populations["queries"].mean)
        assert np.linalg.norm(own - queries.mean) < 0.2 * pooled
        assert float(queries.cells.sum()) < float(baseline.populations["queries"].cells.sum())
        assert queries.n < baseline.records / 3


def test_hours_that_count_alike_are_worth_all_their_records() -> None:
    baseline = with_rhythm()
    everything = match_hours(baseline, [(window(i), 1.0) for i in range(24)])
    queries, plain = everything.populations["queries"], baseline.populations["queries"]
    np.testing.assert_allclose(queries.mean, plain.mean, atol=1e-12)
    assert queries.n == pytest.approx(plain.n)
    np.testing.assert_allclose(queries.cells, plain.cells)
    for name, counts in everything.score_counts.items():
        np.testing.assert_allclose(counts, baseline.score_counts[name])


def test_leaving_a_window_out_leaves_nothing_of_it() -> None:
    baseline, parts = taken()
    rhythm = find_rhythm(parts)
    assert rhythm is not None
    hour = [p for p in parts if hour_of(p.window.start, 24) == 5]
    for part in hour:
        rhythm = without(rhythm, part)
    assert rhythm.n[5] == 0
    np.testing.assert_allclose(rhythm.totals[5], 0.0, atol=1e-9)
    assert not rhythm.cells[5].any()
    assert all(not table[5].any() for table in rhythm.scores.values())
    # An hour of which quiet history has nothing is compared with all of it.
    bare = replace(rhythm, reach=1.0)
    alone = replace(baseline, rhythm=bare)
    assert match_hours(alone, [(window(5), 1.0)]) is alone


def test_the_kernel_goes_round_midnight() -> None:
    weights = kernel(24, 2.0)
    assert weights[0].tolist()[:3] == [1.0, 0.5, 0.0]
    assert weights[0, 23] == 0.5
    assert np.array_equal(weights, weights.T)


def test_monday_is_the_first_day_of_the_week() -> None:
    assert world.START.weekday() == 0
    assert hour_of(world.START, 168) == 0
    assert hour_of(world.START + timedelta(days=6, hours=23), 168) == 167


def test_one_day_has_no_rhythm() -> None:
    """Every hour has one window only: whatever it was like, nothing foretells it."""
    assert find_rhythm(world.build([daily(i) for i in range(24)])[1]) is None
