"""From the raw row of a log to a record: one reader per read, no input makes it raise.

==================  ===========================================================================  ========
reason              the entry ...                                                                is
==================  ===========================================================================  ========
missing_id          has no id, or an empty one                                                   rejected
bad_id              has an id that is neither text nor a whole number (nor a UUID)               rejected
missing_time        has no time                                                                  rejected
bad_time            has a time that cannot be read                                               rejected
naive_timestamp     has a time without a zone, and the source's `timezone` is not set            rejected
future_time         has a time more than five minutes ahead of the clock                         rejected
bad_text            has a text that is not text, or that UTF-8 cannot hold                       rejected
bad_vector          has a vector that is not a flat list of numbers                              rejected
bad_hits            has hits that are not a list of document ids                                 rejected
bad_scores          has scores that are not one finite number per hit                            kept
bad_model           has a model name that is not text                                            kept
bad_segments        has a segment that is not text, a whole number or a truth value              kept
bad_feedback        has feedback that is not a finite number                                     kept
==================  ===========================================================================  ========

"Kept" records go on without the part that is wrong. Vectors that are not finite, zero or of another
dimension are no reason at all: the profile counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from monitor.records import IntArray, Record, Records, Rejection
from monitor.sources import batch
from monitor.sources.batch import Column
from monitor.sources.row_fields import RowFields, RowFormat
from monitor.sources.values import FlawError, read_time

TOLERANCE = timedelta(minutes=5)
"""How far a clock of production may run ahead of ours."""

_NOTHING: tuple[None, tuple[Rejection, ...]] = (None, ())


class RowReader:
    """Turns rows into the records of ``[start, end)``.

    A row is a sequence of values in the order of ``names``, the distinct columns that ``columns`` maps our
    fields to, ``id`` first. An entry whose time cannot be read belongs where the entry before it does (a log
    is written in order), and is reported where there is none before it: no entry is lost, and none is counted
    in every window for ever. ``at`` is the time of the last entry, None where it had none.
    """

    __slots__ = ("_at", "_end", "_fields", "_limit", "_start", "_zone", "at", "inside", "names")

    def __init__(
        self,
        columns: Mapping[str, str | Mapping[str, str]],
        row_format: RowFormat,
        start: datetime,
        end: datetime,
        now: datetime,
    ) -> None:
        self._fields = RowFields(columns, row_format)
        self._at, self.names = self._fields.at, self._fields.names
        self._zone = row_format.timezone
        self._start, self._end = start, end
        # Who asks for a window ahead of the clock replays or simulates: then the clock is no judge.
        self._limit = now + TOLERANCE if start <= now else datetime.max.replace(tzinfo=UTC)
        self.begin()

    def begin(self) -> None:
        """Begin another file: what has no time there does not belong where the last entry of this one did."""
        self.inside = True
        self.at: datetime | None = None

    def read(self, values: Sequence[Any], where: str) -> tuple[Record | None, tuple[Rejection, ...]]:
        """Return the row's record, if it is in the window and usable, and what is wrong with the row."""
        try:
            self.at = at = read_time(values[self._at], self._zone)
        except FlawError as flaw:
            return None, self.reject(flaw.reason, where, flaw.detail)
        if at > self._limit:
            return None, self._unplaced("future_time", where, at.isoformat())
        self.inside = self._start <= at < self._end
        if not self.inside:
            return _NOTHING
        try:
            return self._fields.record(values, at, where)
        except FlawError as flaw:
            return None, (Rejection(flaw.reason, where, flaw.detail),)

    def read_batch(
        self, columns: Sequence[Column], where: Callable[[int], str]
    ) -> Iterator[Record | Rejection]:
        """Yield what :meth:`read_columns` yields, each record by itself."""
        return each(self.read_columns(columns, where))

    def read_columns(
        self, columns: Sequence[Column], where: Callable[[int], str]
    ) -> Iterator[Records | Record | Rejection]:
        """Yield what :meth:`read` returns of each row of a batch, in their order; ``where`` tells the place of a row.

        ``columns`` are the rows' values, in the order of ``names``. What is sound is read by columns, which is many
        times quicker, and left in them; a row in which something is wrong is read again by itself. ``at`` stays.
        """
        times = batch.read_times(columns[self._at], self._zone, set())
        known = [at for at in times if at is not None]
        if known and len(known) == len(times) and self._takes(min(known)) and self._takes(max(known)):
            taken = np.arange(len(times))
            chosen: Sequence[Column] = columns
        else:
            inside = [row for row, at in enumerate(times) if at is not None and self._takes(at)]
            taken = np.array(inside, dtype=np.int64)
            chosen = [batch.take(column, taken) for column in columns]
        records, sound = self._fields.records(chosen, batch.take(times, taken))
        if len(records) == len(times):  # as nearly every batch is
            if len(times):
                self.inside = True
                yield records
            return
        yield from self._among_others(columns, times, where, records, taken, taken[sound])

    def _among_others(
        self,
        columns: Sequence[Column],
        times: Sequence[datetime | None],
        where: Callable[[int], str],
        records: Records,
        taken: IntArray,
        sound: IntArray,
    ) -> Iterator[Records | Record | Rejection]:
        """Yield the records of the ``sound`` rows, in runs, and between them what is told of the others."""
        inside, given = set(taken.tolist()), 0
        end = 0
        bounds = np.flatnonzero(np.diff(sound) != 1) + 1
        for run in [*np.split(sound, bounds), np.array([len(times)])]:
            if not len(run):
                continue
            for row in range(end, int(run[0])):
                at = times[row]
                if row in inside or at is None or at > self._limit:
                    record, rejections = self.read([column[row] for column in columns], where(row))
                    if record is not None:
                        yield record
                    yield from rejections
                else:
                    self.inside = False
            end = int(run[-1]) + 1
            if end <= len(times):
                self.inside = True
                yield records.take(np.arange(given, given + len(run)))
                given += len(run)

    def reject(self, reason: str, where: str, detail: str = "") -> tuple[Rejection, ...]:
        """Return the rejection of an entry without a readable time, if it belongs to the window."""
        self.at = None
        return self._unplaced(reason, where, detail)

    def _unplaced(self, reason: str, where: str, detail: str) -> tuple[Rejection, ...]:
        return (Rejection(reason, where, detail),) if self.inside else ()

    def overlaps(self, first: datetime, last: datetime) -> bool:
        """Tell whether entries from ``first`` to ``last`` may be in the window or ahead of the clock."""
        return (first < self._end and last >= self._start) or last > self._limit

    def _takes(self, at: datetime) -> bool:
        """Tell whether a time is in the window and not ahead of the clock."""
        return self._start <= at < self._end and at <= self._limit


def each(entries: Iterable[Records | Record | Rejection]) -> Iterator[Record | Rejection]:
    """Yield every record by itself."""
    for entry in entries:
        if isinstance(entry, Records):
            yield from entry
        else:
            yield entry
