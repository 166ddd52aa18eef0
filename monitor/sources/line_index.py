"""Which times are where in a file of lines, learnt while it is read: the next window reads its own part alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

BLOCK = 1000
"""Lines that are read or passed over together."""


@dataclass(slots=True)
class _Block:
    offset: int
    number: int
    lines: int = 0
    first: datetime | None = None
    last: datetime | None = None
    timeless: bool = False


class LineIndex:
    """The span of time of each block of lines; ``version`` tells whether the file is still the one that was read.

    An entry without a time counts where the one before it is (as :class:`~monitor.sources.rows.RowReader` does); a
    block that begins a file with such entries is never passed over.
    """

    __slots__ = ("_blocks", "_latest", "version")

    def __init__(self, version: tuple[int, ...]) -> None:
        self.version = version
        self._blocks: list[_Block] = []
        self._latest: datetime | None = None

    def add(self, offset: int, number: int, at: datetime | None) -> None:
        """Take in the next line: where it starts, its number, and its time if it has one."""
        if not self._blocks:
            self._blocks.append(_Block(0, 1))  # blank lines at the head belong to it
        elif self._blocks[-1].lines >= BLOCK:
            self._blocks.append(_Block(offset, number))
        block = self._blocks[-1]
        block.lines += 1
        self._latest = at = at or self._latest
        if at is None:
            block.timeless = True
            return
        block.first = at if block.first is None else min(block.first, at)
        block.last = at if block.last is None else max(block.last, at)

    def runs(self, overlaps: Callable[[datetime, datetime], bool]) -> Iterator[tuple[int, int | None, int]]:
        """Yield start, end (None: to the last) and first line number of each stretch that may concern a window."""
        begun: _Block | None = None
        for block in self._blocks:
            wanted = block.timeless or (
                block.first is not None and block.last is not None and overlaps(block.first, block.last)
            )
            if wanted and begun is None:
                begun = block
            elif not wanted and begun is not None:
                yield begun.offset, block.offset, begun.number
                begun = None
        if begun is not None:
            yield begun.offset, None, begun.number
