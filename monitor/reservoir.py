"""Drawing a window's sample: record by record, in bounded memory, the same in whatever order they come."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

from monitor.records import Record, Rejection, Sample
from monitor.stats.sampling import hash_id

EXAMPLES = 20
"""How many rejected entries of a window are kept to be shown."""


@dataclass(slots=True)
class Reservoir:
    """The bottom-``size`` sample, by hash of the id, of the entries that were added to it.

    Of records that share an id the earliest is kept; how often a sampled id came again is counted.
    """

    size: int
    _heap: list[tuple[int, str]] = field(default_factory=list, repr=False)
    """Negated hashes: the largest kept hash on top."""
    _kept: dict[str, Record] = field(default_factory=dict, repr=False)
    _again: Counter[str] = field(default_factory=Counter, repr=False)
    _rejected: Counter[str] = field(default_factory=Counter, repr=False)
    _examples: list[Rejection] = field(default_factory=list, repr=False)
    _seen: int = 0

    def add(self, entry: Record | Rejection) -> None:
        """Take an entry into account."""
        if isinstance(entry, Rejection):
            self._rejected[entry.reason] += 1
            if len(self._examples) < EXAMPLES:
                self._examples.append(entry)
            return
        self._seen += 1
        kept = self._kept
        if entry.id in kept:
            self._again[entry.id] += 1
            kept[entry.id] = min(kept[entry.id], entry, key=lambda r: (r.at, r.text or "", r.hits))
            return
        key = -hash_id(entry.id)
        if len(self._heap) < self.size:
            heapq.heappush(self._heap, (key, entry.id))
        elif key > self._heap[0][0]:
            _, dropped = heapq.heapreplace(self._heap, (key, entry.id))
            del kept[dropped]
            self._again.pop(dropped, None)
        else:
            return
        kept[entry.id] = entry

    def sample(self) -> Sample:
        """Return what was drawn, in hash order, and what was seen on the way to it."""
        return Sample(
            records=tuple(self._kept[identifier] for _, identifier in sorted(self._heap, reverse=True)),
            seen=self._seen,
            duplicates=sum(self._again.values()),
            rejected=dict(self._rejected),
            examples=tuple(self._examples),
        )
