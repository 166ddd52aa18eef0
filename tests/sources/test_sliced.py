from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from monitor.errors import EdgeError, EdgeTimeoutError
from monitor.records import Record, Rejection
from monitor.reservoir import draw_sample
from monitor.segments import REST, WHOLE, Slice
from monitor.sources.sliced import FAILED, HELD, SPANS, SegmentSource, SlicedLog
from tests.core_fakes import world

ACME, GLOBEX, OTHERS = ("tenant", "acme"), ("tenant", "globex"), ("tenant", REST)
TENANTS = Slice("tenant", {"acme": "acme", "globex": "globex"}, rest=True)
SIZE = 30


def entries(number: int = 0) -> list[Record | Rejection]:
    """Two hundred records: acme has the half, globex a quarter, others a tenth; some have no label."""
    start = world.span(number).start
    labels = [{"tenant": "acme"}] * 10 + [{"tenant": "globex"}] * 5 + [{"tenant": "other"}] * 2 + [{}] * 3
    made: list[Record | Rejection] = [
        Record(f"w{number}-{i}", start + timedelta(seconds=i), segments=labels[i % 20]) for i in range(200)
    ]
    return [*made, Rejection("bad_time", "line 7")]


@dataclass
class CountedLog:
    """A log that tells how often it was read."""

    read_from: list[datetime] = field(default_factory=list)
    error: EdgeError | None = None
    gate: threading.Event | None = None

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        self.read_from.append(start)
        if self.gate is not None:
            self.gate.wait(10)
        if self.error is not None:
            raise self.error
        number = (start - world.START) // (end - start)
        yield from entries(number)

    def describe(self) -> str:
        return "a log"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def sliced(log: CountedLog, clock: Clock | None = None, wait: float = 30.0) -> SlicedLog:
    return SlicedLog(log, (TENANTS,), SIZE, stopwatch=clock or Clock(), wait=wait)


def span(number: int = 0) -> tuple[datetime, datetime]:
    window = world.span(number)
    return window.start, window.end


def test_one_read_gives_each_part_the_sample_of_its_slice() -> None:
    counted = CountedLog()
    log = sliced(counted)
    records = [e for e in entries() if isinstance(e, Record)]
    for part, chosen in (
        (WHOLE, entries()),
        (ACME, [r for r in records if r.segments.get("tenant") == "acme"]),
        (GLOBEX, [r for r in records if r.segments.get("tenant") == "globex"]),
        (OTHERS, [r for r in records if r.segments.get("tenant") not in {"acme", "globex"}]),
    ):
        source = SegmentSource(log, part)
        assert source.sample(*span(), SIZE) == draw_sample(chosen, SIZE), part
        assert list(source.read(*span())) == chosen
        assert source.sample(*span(), 7) == draw_sample(chosen, 7)
    # One read for the four samples; read() and another size are reads of their own.
    assert len(counted.read_from) == 1 + 4 + 4


def test_a_sample_is_handed_out_once_and_then_forgotten() -> None:
    counted = CountedLog()
    log = sliced(counted)
    first = log.sample(ACME, *span())
    assert log.sample(ACME, *span()) == first  # a retry reads the log as it is by then
    assert len(counted.read_from) == 2
    for part in (WHOLE, GLOBEX, OTHERS):
        log.sample(part, *span())
    assert len(counted.read_from) == 2
    assert [read.samples for read in log._reads.values()] == [{}]


def test_what_is_held_is_bounded_and_does_not_last() -> None:
    counted, clock = CountedLog(), Clock()
    log = sliced(counted, clock)
    for number in range(10):
        log.sample(WHOLE, *span(number))
    assert len(log._reads) == SPANS
    held = sum(len(s.records) for read in log._reads.values() for s in read.samples.values())
    assert held <= SPANS * len(log.parts()) * SIZE
    log.sample(ACME, *span(9))
    assert len(counted.read_from) == 10
    clock.now = HELD + 1
    log.sample(GLOBEX, *span(9))
    assert len(counted.read_from) == 11


def test_a_failed_read_is_told_to_the_others_for_a_while() -> None:
    counted, clock = CountedLog(error=EdgeTimeoutError("no answer within 20 s")), Clock()
    log = sliced(counted, clock)
    for part in (WHOLE, ACME, GLOBEX):
        with pytest.raises(EdgeTimeoutError, match="no answer within 20 s"):
            log.sample(part, *span())
    assert len(counted.read_from) == 1  # one time-out, not one for each segment
    counted.error = None
    clock.now = FAILED + 1
    assert log.sample(ACME, *span()).seen == 100
    assert log.sample(WHOLE, *span()).seen == 200  # that read was for all again
    assert len(counted.read_from) == 2


def test_threads_wait_for_the_read_of_another_and_share_it() -> None:
    counted = CountedLog(gate=threading.Event())
    log = sliced(counted)
    found: dict[tuple[str, str], int] = {}

    def ask(part: tuple[str, str]) -> None:
        found[part] = log.sample(part, *span()).seen

    threads = [threading.Thread(target=ask, args=(part,)) for part in log.parts()]
    for thread in threads:
        thread.start()
    assert counted.gate is not None
    counted.gate.set()
    for thread in threads:
        thread.join(10)
    assert found == {WHOLE: 200, ACME: 100, GLOBEX: 50, OTHERS: 50}
    assert len(counted.read_from) == 1


def test_nobody_waits_for_ever_for_a_read_that_hangs() -> None:
    counted = CountedLog(gate=threading.Event())
    log = sliced(counted, wait=0.05)
    hanging = threading.Thread(target=log.sample, args=(WHOLE, *span()))
    hanging.start()
    while not counted.read_from:
        pass
    gate, counted.gate = counted.gate, None
    assert log.sample(ACME, *span()).seen == 100
    assert len(counted.read_from) == 2
    assert gate is not None
    gate.set()
    hanging.join(10)


def test_the_log_speaks_for_its_slices() -> None:
    source = SegmentSource(sliced(CountedLog()), ACME)
    assert source.describe() == "a log"
    assert replace(source, part=WHOLE) != source
