"""Drawing a window's sample: in bounded memory, the same in whatever order the records come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from monitor.protocols import ColumnLog, LogSource
from monitor.records import Record, Records, Rejection, Sample
from monitor.stats.sampling import hash_ids

EXAMPLES = 20
"""How many rejected entries of a window are kept to be shown."""
HASHED_AT_ONCE = 500
"""How many single entries of a log are held to be hashed together, beside the sample."""

_SHORT = 50
"""A run of fewer records costs more by itself than its records do one by one."""

_WAITING = 0.25
"""Records that wait to be put among those of the sample, as a share of its size: more would cost memory, fewer time."""

Entry = Record | Records | Rejection


def log_entries(source: LogSource, start: datetime, end: datetime) -> Iterator[Entry]:
    """Return the log's entries of ``[start, end)``, in columns where it is read in them; raises `EdgeError`."""
    return source.read_columns(start, end) if isinstance(source, ColumnLog) else source.read(start, end)


def in_columns(entries: Iterable[Entry]) -> Iterator[Records | Rejection]:
    """Yield all entries, records that come one by one or in short runs in columns of some hundred."""
    waiting: list[Record] = []
    for entry in entries:
        if isinstance(entry, Record):
            waiting.append(entry)
        elif isinstance(entry, Records) and len(entry) < _SHORT:
            waiting += entry
        else:
            yield entry
        if len(waiting) >= HASHED_AT_ONCE:
            yield Records.of(waiting)
            waiting.clear()
    if waiting:
        yield Records.of(waiting)


@dataclass(slots=True)
class Reservoir:
    """The bottom-``size`` sample, by hash of the id, of the entries that were added to it.

    Of records that share an id the earliest is kept; how often a sampled id came again is counted. What is held are
    at most two and a half times ``size`` records beside the entries of one call, for the moment of a copy.
    """

    size: int
    _parts: list[Records] = field(default_factory=list, repr=False)
    """What may be in the sample: first what was, in hash order, then what has come since."""
    _hashes: list[NDArray[np.uint64]] = field(default_factory=list, repr=False)
    _waiting: int = 0
    _largest: int | None = None
    """The hash beyond which no record is in the sample, once it is full."""
    _again: Counter[str] = field(default_factory=Counter, repr=False)
    _rejected: Counter[str] = field(default_factory=Counter, repr=False)
    _examples: list[Rejection] = field(default_factory=list, repr=False)
    _seen: int = 0

    def add(self, *entries: Entry) -> None:
        """Take entries into account; many at once cost less each, and least in columns."""
        self.drain(entries)

    def drain(self, entries: Iterable[Entry]) -> None:
        """Take all entries into account, those that come one by one some hundred at a time."""
        for entry in in_columns(entries):
            if isinstance(entry, Records):
                self._add(entry)
                continue
            self._rejected[entry.reason] += 1
            if len(self._examples) < EXAMPLES:
                self._examples.append(entry)

    def sample(self) -> Sample:
        """Return what was drawn, in hash order, and what was seen on the way to it."""
        self._settle()
        return Sample(
            records=self._parts[0] if self._parts else Records.of(()),
            seen=self._seen,
            duplicates=self._again.total(),
            rejected=dict(self._rejected),
            examples=tuple(self._examples),
        )

    def _add(self, records: Records) -> None:
        self._seen += len(records)
        hashes = hash_ids(records.ids)
        rows = np.arange(len(hashes)) if self._largest is None else np.flatnonzero(hashes <= self._largest)
        distinct = np.unique(hashes[rows])
        if len(distinct) > self.size:
            rows = rows[hashes[rows] <= distinct[self.size - 1]]
        self._waiting += len(rows)
        if len(rows):
            # Taken out, unless that is done below: what waits must not keep the batch alive that it came in.
            whole = len(rows) == len(records) and self._waiting >= self.size * _WAITING
            self._parts.append(records if whole else records.take(rows))
            self._hashes.append(hashes[rows])
        if self._waiting >= self.size * _WAITING:
            self._settle()

    def _settle(self) -> None:
        """Make one part of all that waits, the first of the hashes in their order."""
        if not self._waiting:
            return
        records, hashes = Records.join(self._parts), np.concatenate(self._hashes)
        self._parts, self._hashes, self._waiting = [], [], 0  # not held beside what is taken from them
        order = np.argsort(hashes, kind="stable")
        if (np.diff(hashes[order]) == 0).any():
            order = self._without_duplicates(records, order)
        order = order[: self.size]
        self._parts, self._hashes = [records.take(order)], [hashes[order]]
        if self._again:
            kept = set(self._parts[0].ids)
            self._again = Counter({name: count for name, count in self._again.items() if name in kept})
        if len(order) == self.size:
            self._largest = int(hashes[order[-1]])

    def _without_duplicates(self, records: Records, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows in the same order, of each id the earliest alone."""
        of_id: dict[str, list[int]] = {}
        for row in order.tolist():
            of_id.setdefault(records.ids[row], []).append(row)
        chosen: list[int] = []
        for identifier, rows in of_id.items():
            if len(rows) > 1:
                self._again[identifier] += len(rows) - 1
                same = [*records.take(np.array(rows))]
                first = min(range(len(rows)), key=lambda i: (same[i].at, same[i].text or "", same[i].hits))
                chosen.append(rows[first])
            else:
                chosen.append(rows[0])
        return np.array(chosen, dtype=np.int64)


def draw_sample(entries: Iterable[Entry], size: int) -> Sample:
    """Return the bottom-``size`` sample of a window's records by hash of the id, in hash order.

    Bounded memory whatever the window holds, and the same records whatever the order they come in. Of records that
    share an id the earliest is kept; how often a sampled id came again is counted.
    """
    reservoir = Reservoir(size)
    reservoir.drain(entries)
    return reservoir.sample()
