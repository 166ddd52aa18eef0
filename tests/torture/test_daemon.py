"""Short versions of what `make torture` does to the daemon at full length."""

from __future__ import annotations

import gc

import pytest

from benchmarks.torture import clocks, disk, ending, hanging, soak
from benchmarks.torture.report import missed


def test_clocks_that_jump_lose_nothing() -> None:
    assert missed(clocks.run(0.1)) == []


def test_a_full_disk_is_told_and_recovered_from() -> None:
    try:
        figures = disk.run(0.4)
    except disk.NoSmallDiskError as error:
        pytest.skip(str(error))
    assert missed(figures) == []


@pytest.mark.e2e
def test_a_hanging_edge_ends_in_time_and_delays_nobody() -> None:
    assert missed(hanging.run(0.1)) == []


@pytest.mark.e2e
def test_the_end_in_mid_window_leaves_it_to_another() -> None:
    assert missed(ending.run(0.2)) == []


def test_a_short_soak_loses_nothing_and_serves_quickly() -> None:
    # As the daemon does at its start: what other tests have left in this process is not gone through while it serves.
    gc.collect()
    gc.freeze()
    try:
        # A few hundred windows are too few to see a slope of memory: only the whole soak holds that against its bar.
        figures = [f for f in soak.run(0.05) if "growth" not in f["name"]]
    finally:
        gc.unfreeze()
    assert missed(figures) == []
