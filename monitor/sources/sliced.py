"""One log read once for a collection and all its segments: each gets the sample of its slice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat

import numpy as np

from monitor.errors import EdgeError
from monitor.protocols import LogSource
from monitor.records import Record, Records, Rejection, Sample
from monitor.reservoir import Reservoir, draw_sample, in_columns, log_entries
from monitor.segments import WHOLE, Part, Slice

SPANS = 2
"""Spans whose samples are held: threads may be at the end of one window and at the beginning of the next."""
HELD = 300.0
"""Seconds after which a span is read again: a retried window wants the log as it is by then."""
FAILED = 10.0
"""Seconds for which a failed read is told to the other segments, instead of each waiting for the same time-out."""
WAIT = 30.0
"""Seconds that a segment waits while the log is read for another; then it reads for itself."""

Span = tuple[datetime, datetime]


@dataclass(slots=True)
class _Read:
    """What a read of one span has left for those that have not asked yet."""

    at: float
    samples: dict[Part, Sample] = field(default_factory=dict)
    taken: set[Part] = field(default_factory=set)
    error: EdgeError | None = None


@dataclass(slots=True, eq=False)
class SlicedLog:
    """A log whose spans are read once and sampled for every slice on the way.

    A sample is handed out once and then forgotten. What is held are at most ``SPANS`` times the slices times ``size``
    records, whatever the log holds; any number of threads may ask.
    """

    source: LogSource
    slices: Sequence[Slice]
    size: int
    stopwatch: Callable[[], float] = time.monotonic
    wait: float = WAIT
    _reads: dict[Span, _Read] = field(default_factory=dict, repr=False)
    _reading: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def parts(self) -> list[Part]:
        """Return the log itself and its slices."""
        return [WHOLE, *(part for each in self.slices for part in each.parts())]

    def parts_of(self, entry: Record | Rejection) -> Iterator[Part]:
        """Yield what an entry belongs to; a rejected one bears no label and is the whole log's alone."""
        yield WHOLE
        if isinstance(entry, Record):
            for each in self.slices:
                name = each.name_of(entry.segments)
                if name is not None:
                    yield each.by, name

    def sample(self, part: Part, start: datetime, end: datetime) -> Sample:
        """Return the slice's sample of ``[start, end)``; raises `EdgeError`."""
        if not self._reading.acquire(timeout=self.wait):
            # Another read hangs or is very slow: its trouble shall not be everybody's.
            return self._draw((part,), (start, end))[part]
        try:
            return self._take(part, (start, end))
        finally:
            self._reading.release()

    def _take(self, part: Part, span: Span) -> Sample:
        now = self.stopwatch()
        self._reads = {key: read for key, read in self._reads.items() if now - read.at <= HELD}
        known = self._reads.get(span)
        if known is not None and part in known.samples:
            known.taken.add(part)
            return known.samples.pop(part)
        if known is not None and known.error is not None and now - known.at <= FAILED:
            raise type(known.error)(str(known.error))
        taken = set() if known is None else known.taken
        read = _Read(now, taken=taken | {part})
        # Who had its sample already and asks again gets one; the others need none.
        wanted = [part, *(p for p in self.parts() if p not in read.taken)]
        try:
            read.samples = self._draw(wanted, span)
        except EdgeError as error:
            read.taken, read.error = taken, error
            raise
        finally:
            read.at = self.stopwatch()
            self._reads.pop(span, None)
            self._reads[span] = read
            while len(self._reads) > SPANS:
                del self._reads[next(iter(self._reads))]
        return read.samples.pop(part)

    def _draw(self, wanted: Sequence[Part], span: Span) -> dict[Part, Sample]:
        reservoirs = {part: Reservoir(self.size) for part in wanted}
        for entry in in_columns(log_entries(self.source, *span)):
            for part, own in self._split(entry):
                if part in reservoirs:
                    reservoirs[part].add(own)
        return {part: reservoir.sample() for part, reservoir in reservoirs.items()}

    def _split(self, entry: Records | Rejection) -> Iterator[tuple[Part, Records | Rejection]]:
        yield WHOLE, entry
        if isinstance(entry, Rejection):
            return
        for each in self.slices:
            rows: dict[str, list[int]] = {}
            for row, labels in enumerate(entry.segments or repeat({}, len(entry))):
                name = each.name_of(labels)
                if name is not None:
                    rows.setdefault(name, []).append(row)
            for name, chosen in rows.items():
                yield (each.by, name), entry.take(np.array(chosen))


@dataclass(frozen=True, slots=True)
class SegmentSource:
    """One slice of a log, or all of it."""

    log: SlicedLog
    part: Part = WHOLE

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        """Yield the slice's entries of ``[start, end)``; raises `EdgeError`."""
        for entry in self.log.source.read(start, end):
            if self.part in self.log.parts_of(entry):
                yield entry

    def sample(self, start: datetime, end: datetime, size: int) -> Sample:
        """Return the slice's sample of ``[start, end)``; raises `EdgeError`."""
        if size == self.log.size:
            return self.log.sample(self.part, start, end)
        return draw_sample(self.read(start, end), size)

    def describe(self) -> str:
        """Return what the log says of itself; raises `EdgeError`."""
        return self.log.source.describe()
