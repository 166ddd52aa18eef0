"""Counting what comes out of a log against what went in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.torture.mutations import NOW, WINDOWS, is_same
from monitor.protocols import LogSource
from monitor.records import Record, Rejection
from monitor.sources.file import FileSource

KEPT = frozenset({"bad_scores", "bad_model", "bad_segments", "bad_feedback"})
"""Reasons beside which the record itself is kept."""


@dataclass
class Account:
    """What was read from logs of known content, and what is wrong with it."""

    entries: int = 0
    good: int = 0
    records: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    flaws: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    refused: int = 0
    read: int = 0
    columns_refused: int = 0
    """Looks at a table with a column of a type that no log has: told with a plain error."""
    unaccounted: int = 0
    lost: int = 0
    changed: int = 0
    defects: list[str] = field(default_factory=list)

    def add(self, source: LogSource, entries: int, good: Mapping[str, Record], name: str) -> None:
        """Read all of time window by window: each entry must be a record or a rejection, once."""
        object.__setattr__(source, "clock", lambda: NOW)
        self.entries += entries
        self.good += len(good)
        found: Counter[str] = Counter()
        told: Counter[str] = Counter()
        records = rejections = 0
        for start, end in WINDOWS:
            try:
                for entry in source.read(start, end):
                    if isinstance(entry, Rejection):
                        kept = entry.reason in KEPT
                        (self.flaws if kept else self.rejected)[entry.reason] += 1
                        told[entry.where] += not kept
                        rejections += not kept
                        continue
                    records += 1
                    self._check(entry, good, found, f"{name}, from {start}", start <= entry.at < end)
            except Exception as error:  # noqa: BLE001 the sources' promise is what is tested
                self.crashes.append(f"{name}, from {start}: {type(error).__name__}: {str(error)[:300]}")
        self.records += records
        gap = entries - records - rejections
        if gap:
            self.unaccounted += abs(gap)
            self.defects.append(f"{name}: {entries} entries, {records} records, {rejections} rejected")
        twice = [where for where, count in told.items() if count > 1 and isinstance(source, FileSource)]
        if twice and not gap:
            self.defects.append(f"{name}: told twice: {twice[:3]}")
            self.unaccounted += len(twice)
        for identifier in good.keys() - found.keys():
            self.lost += 1
            self.defects.append(f"{name}: {identifier} of {good[identifier].at} is lost")

    def _check(
        self, entry: Record, good: Mapping[str, Record], found: Counter[str], name: str, inside: bool
    ) -> None:
        if not inside:
            self.changed += 1
            self.defects.append(f"{name}: {entry.id} of {entry.at} is outside")
        if entry.id not in good:
            return
        found[entry.id] += 1
        if found[entry.id] > 1 or not is_same(entry, good[entry.id]):
            self.changed += 1
            self.defects.append(f"{name}: {entry} is not {good[entry.id]}")
