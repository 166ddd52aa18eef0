"""Retention as the daemon has it done: what a span looks back at stays as it was committed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.daemon.retainer import reach_back
from monitor.records import Window
from monitor.store.retention import Retention
from monitor.wiring import wire_spans
from tests.core_fakes.bench import QUARTER, Bench, Make

HALF_DAY = timedelta(hours=12)
DAY = timedelta(days=1)


def seen_by_a_span(bench: Bench, count: int) -> int:
    """How many windows before the next one its span of ``count`` would find."""
    baseline = bench.store.active_baseline("docs")
    assert baseline is not None
    next_one = Window("docs", bench.now, bench.now + bench.length)
    return len(bench.store.recent_profiles(next_one, baseline.id, count - 1)) + 1


def test_a_span_finds_its_windows_however_long_they_are(make: Make) -> None:
    bench = make("docs", length=HALF_DAY)
    collection = bench.daemon.deployment.collections["docs"]
    spanned = replace(collection, spans=wire_spans(collection.detectors, [4, 32]))
    bench.daemon.deployment = replace(bench.daemon.deployment, collections={"docs": spanned})
    for _ in range(36):  # half days are rolled up to days after a week, which is fourteen of them
        bench.pass_windows(1)
        bench.tick()
    assert seen_by_a_span(bench, 32) == 32
    # What no span looks back at goes as ever.
    first, end = bench.spans("docs")[0]
    assert end - first == DAY


def test_only_as_much_is_kept_as_spans_want() -> None:
    policy = Retention()
    assert reach_back(policy, 32 * QUARTER) == policy
    assert reach_back(policy, timedelta()) == policy
    far = reach_back(policy, 5 * DAY)
    assert far == replace(policy, windows=5 * DAY)
    assert reach_back(policy, 500 * DAY) == replace(
        policy, windows=500 * DAY, hourly=500 * DAY, daily=500 * DAY, profiles=500 * DAY
    )
    with pytest.raises(ValueError, match="shorter than"):  # what the widening keeps true
        replace(policy, windows=8 * DAY)
