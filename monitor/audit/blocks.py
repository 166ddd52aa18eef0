"""Resampling time: blocks of a few hours are drawn, each from its own part of the day, so that the rhythm stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from monitor.records import Window

HOURS = timedelta(hours=4)
"""Length of a block: sessions and busy hours fit in, and a few days give several for each part of the day."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of windows that follow each other, as places in a list of windows; grouped by the part of the day."""

    slots: tuple[tuple[tuple[int, ...], ...], ...]

    def draw(self, rng: np.random.Generator, length: int) -> list[int]:
        """Return the places of ``length`` windows: from a moment of the day by chance on, block after block."""
        slot = int(rng.integers(len(self.slots)))
        drawn: list[int] = []
        skipped = -1
        while len(drawn) < length:
            blocks = self.slots[slot % len(self.slots)]
            block = blocks[int(rng.integers(len(blocks)))]
            if skipped < 0:
                skipped = int(rng.integers(len(block)))
                block = block[skipped:]
            drawn.extend(block)
            slot += 1
        return drawn[:length]


def make_blocks(windows: Sequence[Window], least: int = 1) -> Blocks:
    """Return the blocks of some windows, which must be in order.

    Parts of the day are told apart when each of them has at least ``least`` blocks; otherwise all blocks are one.
    """
    if not windows:
        raise ValueError("no window, no block")
    length = max(HOURS, windows[0].length)
    parts = max(1, DAY // length)
    blocks: dict[int, list[int]] = defaultdict(list)
    for place, window in enumerate(windows):
        blocks[int(window.start.timestamp() // length.total_seconds())].append(place)
    slots: list[list[tuple[int, ...]]] = [[] for _ in range(parts)]
    for key in sorted(blocks):
        slots[key % parts].append(tuple(blocks[key]))
    if min(len(slot) for slot in slots) < max(1, least):
        slots = [[block for slot in slots for block in slot]]
    return Blocks(tuple(tuple(slot) for slot in slots))
