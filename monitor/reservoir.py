"""Drawing a window's sample: record by record, in bounded memory, the same in whatever order they come."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from monitor.records import Record, Rejection, Sample
from monitor.stats.sampling import hash_ids

EXAMPLES = 20
"""How many rejected entries of a window are kept to be shown."""
HASHED_AT_ONCE = 500
"""How many entries of a log are held to be hashed together, beside the sample."""


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

    def add(self, *entries: Record | Rejection) -> None:
        """Take entries into account; many at once cost less each."""
        records = [entry for entry in entries if not isinstance(entry, Rejection)]
        if len(records) < len(entries):
            refused = [entry for entry in entries if isinstance(entry, Rejection)]
            self._rejected.update(entry.reason for entry in refused)
            self._examples += refused[: EXAMPLES - len(self._examples)]
        self._seen += len(records)
        heap, kept = self._heap, self._kept
        for entry, found in zip(records, hash_ids([r.id for r in records]).tolist(), strict=True):
            if entry.id in kept:
                self._again[entry.id] += 1
                kept[entry.id] = min(kept[entry.id], entry, key=lambda r: (r.at, r.text or "", r.hits))
            elif len(heap) < self.size:
                heapq.heappush(heap, (-found, entry.id))
                kept[entry.id] = entry
            elif -found > heap[0][0]:
                _, dropped = heapq.heapreplace(heap, (-found, entry.id))
                del kept[dropped]
                self._again.pop(dropped, None)
                kept[entry.id] = entry

    def drain(self, entries: Iterable[Record | Rejection]) -> None:
        """Take all entries into account, some hundred of them at a time."""
        rest = iter(entries)
        while chunk := list(islice(rest, HASHED_AT_ONCE)):
            self.add(*chunk)

    def sample(self) -> Sample:
        """Return what was drawn, in hash order, and what was seen on the way to it."""
        return Sample(
            records=tuple(self._kept[identifier] for _, identifier in sorted(self._heap, reverse=True)),
            seen=self._seen,
            duplicates=sum(self._again.values()),
            rejected=dict(self._rejected),
            examples=tuple(self._examples),
        )
