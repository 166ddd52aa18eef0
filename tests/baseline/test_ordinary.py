from __future__ import annotations

import numpy as np

from monitor.baseline.ordinary import describe_ordinary
from monitor.profile import Profile, counts_profile, merge
from tests.core_fakes import world


def test_counts_are_added_and_the_smallest_window_is_kept() -> None:
    baseline = world.build(world.quiet_windows(4, 80))[0]
    windows = [
        counts_profile(
            baseline.basis, records__windows=1, records__entries=n, records__duplicates=2, other__thing=9
        )
        for n in (50, 20, 90)
    ]
    looks = [counts_profile(baseline.basis, index__asked=100, index__found=98)]
    ordinary = describe_ordinary(baseline, windows, looks).ordinary
    assert ordinary["records.entries"] == 160
    assert ordinary["records.duplicates"] == 6
    assert ordinary["records.smallest"] == 20
    assert (ordinary["index.asked"], ordinary["index.found"]) == (100, 98)
    assert "other.thing" not in ordinary


def test_what_the_index_loses_anyway_is_kept() -> None:
    baseline = world.build(world.quiet_windows(4, 80))[0]
    look = merge(
        counts_profile(baseline.basis, index__covered=4),
        Profile(baseline.basis, {}, {"index.ann_loss": np.array([0.0, 0.5, 0.0, 0.5])}),
    )
    assert describe_ordinary(baseline, (), [look]).ordinary["index.ann_loss_millionths"] == 250_000


def test_without_windows_nothing_is_ordinary() -> None:
    baseline = world.build(world.quiet_windows(4, 80))[0]
    assert describe_ordinary(baseline, (), ()).ordinary == {"records.smallest": 0}
