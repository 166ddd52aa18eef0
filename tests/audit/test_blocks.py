from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from monitor.audit.blocks import make_blocks
from tests.audit.conftest import hour
from tests.core_fakes import world


def test_a_drawn_day_keeps_its_rhythm() -> None:
    windows = [hour(i) for i in range(72)]
    blocks = make_blocks(windows, least=2)
    drawn = blocks.draw(np.random.default_rng(1), 500)
    assert len(drawn) == 500
    hours = [windows[i].start.hour for i in drawn]
    assert all(later == (hour + 1) % 24 for hour, later in pairwise(hours))
    assert len({windows[i].start.date() for i in drawn}) == 3  # blocks of all days
    steps = [later - place for place, later in pairwise(drawn)]
    assert steps.count(1) >= 0.75 * len(steps)  # three of four steps stay within a block of four hours


def test_a_draw_starts_at_any_hour() -> None:
    windows = [hour(i) for i in range(48)]
    blocks = make_blocks(windows)
    starts = {windows[blocks.draw(np.random.default_rng(seed), 1)[0]].start.hour for seed in range(300)}
    assert starts == set(range(24))


def test_too_few_days_make_one_pool() -> None:
    assert len(make_blocks([hour(i) for i in range(24)], least=2).slots) == 1
    assert len(make_blocks([hour(i) for i in range(24)]).slots) == 6


def test_gaps_and_long_windows() -> None:
    gaps = [hour(i) for i in range(96) if i % 5]
    drawn = make_blocks(gaps).draw(np.random.default_rng(0), 200)
    assert set(drawn) <= set(range(len(gaps)))
    week = timedelta(days=7)
    long = [world.span(i, week) for i in range(5)]
    assert make_blocks(long).slots == (((0,), (1,), (2,), (3,), (4,)),)


def test_no_window_is_refused() -> None:
    with pytest.raises(ValueError, match="no window"):
        make_blocks([])
