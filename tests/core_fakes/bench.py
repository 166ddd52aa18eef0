"""A daemon of some collections on a real store, its clock and stopwatch in the test's hands."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from monitor.baseline.codec import pack
from monitor.config import Config
from monitor.daemon import Daemon
from monitor.metrics import Exporter
from monitor.pipeline import Collection
from monitor.records import Record, Rejection, Snapshot, Window
from monitor.reference import take_baseline
from monitor.store import Store, schema
from monitor.store.engine import reading, writing
from monitor.wiring import Deployment, wire_detectors
from tests.core_fakes import world

QUARTER = world.QUARTER
START = world.START
QUIET = 24
"""Windows of the baseline; those that the daemon works begin after them."""


@dataclass(frozen=True)
class Traffic:
    """Sixty records in every window, the same whenever they are read; a test may break it or look on."""

    name: str
    drift: list[tuple[datetime, datetime]] = field(default_factory=list)
    """Spans in which half of the questions are about something new."""
    broken: list[Exception] = field(default_factory=list)
    read_from: list[datetime] = field(default_factory=list)
    watch: list[Callable[[], object]] = field(default_factory=list)

    def read(self, start: datetime, end: datetime) -> Iterator[Record | Rejection]:
        self.read_from.append(start)
        for look in self.watch:
            look()
        if self.broken:
            raise self.broken[0]
        rng = np.random.default_rng(int(start.timestamp()))
        new = 0.5 if any(first <= start < last for first, last in self.drift) else 0.0
        records = world.make_records(rng, world.draw(rng, 60, new=new), f"{self.name}-{start:%d%H%M}")
        for record in records:
            yield Record(record.id, start, vector=record.vector, hits=record.hits, scores=record.scores)

    def describe(self) -> str:
        return self.name


@dataclass
class Bench:
    """A daemon of some collections, its clock and what it publishes."""

    store: Store
    traffic: dict[str, Traffic]
    daemon: Daemon
    length: timedelta
    now: datetime
    seconds: float = 0.0
    published: list[Snapshot] = field(default_factory=list)

    def pass_windows(self, count: int) -> None:
        self.now += count * self.length

    def windows(self, name: str) -> list[tuple[str, int]]:
        """State and attempts of each window, in order."""
        with reading(self.store.engine) as connection:
            rows = connection.exec_driver_sql(
                "SELECT state, attempts FROM windows WHERE collection = ? ORDER BY start_at", (name,)
            )
            return [(row[0], row[1]) for row in rows]

    def tick(self) -> None:
        """Tick, let the crew end what it took up, and tick again to show it, as the running daemon does."""
        self.daemon.tick()
        self.wait()
        if self.daemon.crew.ended != self.daemon._shown:
            self.daemon.tick()
            self.wait()

    def wait(self) -> None:
        """Wait until nobody is at work."""
        deadline = time.monotonic() + 20
        while not self.daemon.crew.idle():
            if time.monotonic() > deadline:
                raise TimeoutError("the crew is still at work after 20 s")
            threading.Event().wait(0.002)

    def spans(self, name: str) -> list[tuple[datetime, datetime]]:
        """Start and end of each window, in order."""
        with reading(self.store.engine) as connection:
            rows = connection.exec_driver_sql(
                "SELECT start_at, end_at FROM windows WHERE collection = ? ORDER BY start_at", (name,)
            )
            return [(datetime.fromisoformat(row[0]), datetime.fromisoformat(row[1])) for row in rows]

    def states(self, name: str) -> dict[str, int]:
        return dict(Counter(state for state, _ in self.windows(name)))

    def wait_for_retries(self) -> None:
        """Let the pause after a failed attempt pass: it is kept by the database's clock, which no test holds."""
        with writing(self.store.engine) as connection:
            connection.exec_driver_sql("UPDATE windows SET not_before = NULL")

    def save_baseline(self, name: str) -> int:
        collection = self.daemon.deployment.collections[name]
        quiet = [Window(name, START + i * self.length, START + (i + 1) * self.length) for i in range(QUIET)]
        return keep_baseline(self.store, name, pack(take_baseline(collection, quiet).baseline), quiet)


def keep_baseline(store: Store, name: str, data: bytes, quiet: Sequence[Window]) -> int:
    """Put a packed baseline of these windows in use for a collection and return its number."""
    return store.save_baseline(
        name,
        data,
        by="test",
        reason="quiet",
        start=quiet[0].start,
        end=quiet[-1].end,
        model="m",
        meta={},
        activate=True,
    )


class Recorder(Exporter):
    """The real exporter, which also remembers what it was given."""

    def __init__(self, published: list[Snapshot]) -> None:
        super().__init__()
        self._published_to = published

    def publish(self, snapshot: Snapshot) -> None:
        self._published_to.append(snapshot)
        super().publish(snapshot)


Make = Callable[..., Bench]


def make_bench(
    folder: Path,
    *names: str,
    baselines: bool = True,
    store: type[Store] = Store,
    workers: int = 1,
    length: timedelta = QUARTER,
    **settings: object,
) -> Bench:
    """Return a daemon of these collections that has not ticked yet, each with its baseline."""
    url = f"sqlite:///{folder}/driftmon.db"
    schema.upgrade(url)
    chosen = {
        "window": length,
        "lateness": timedelta(0),
        "sample_size": 60,
        "source": {"type": "sql"},  # never built: the test's own stands in its place
        **settings,
    }
    config = Config.model_validate(
        {"collections": dict.fromkeys(names, chosen), "web": {"listen": "127.0.0.1:0"}}
    )
    traffic = {name: Traffic(name) for name in names}
    detectors = wire_detectors({}, index=False, suite=False, canaries=False)
    collections = {name: Collection(name, traffic[name], detectors, sample_size=60) for name in names}
    deployment = Deployment(config, collections, dict.fromkeys(names, 10.0))
    opened = store.open(url)
    made = Bench(opened, traffic, Daemon(deployment, opened), length, START + QUIET * length)
    made.daemon = Daemon(
        deployment,
        opened,
        clock=lambda: made.now,
        stopwatch=lambda: made.seconds,
        exporter=Recorder(made.published),
        workers=workers,
    )
    if baselines:
        for name in names:
            made.save_baseline(name)
            traffic[name].read_from.clear()
    return made
