"""The daemon's tick under a clock and a stopwatch that the test holds, on a real store and real detectors."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor import daemon as module
from monitor.baseline.codec import pack
from monitor.config import Config
from monitor.daemon import MAX_ATTEMPTS, Daemon
from monitor.errors import EdgeError, LeaseLostError, StoreError
from monitor.metrics import Exporter
from monitor.pipeline import Collection
from monitor.records import Outcome, Record, Rejection, Snapshot, Window
from monitor.reference import take_baseline
from monitor.store import Claim, Store, schema
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
        records = world.make_records(rng, world.draw(rng, 60), f"{self.name}-{start:%d%H%M}")
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
    now: datetime = START + QUIET * QUARTER
    seconds: float = 0.0
    published: list[Snapshot] = field(default_factory=list)

    def pass_windows(self, count: int) -> None:
        self.now += count * QUARTER

    def windows(self, name: str) -> list[tuple[str, int]]:
        """State and attempts of each window, in order."""
        with reading(self.store.engine) as connection:
            rows = connection.exec_driver_sql(
                "SELECT state, attempts FROM windows WHERE collection = ? ORDER BY start_at", (name,)
            )
            return [(row[0], row[1]) for row in rows]

    def states(self, name: str) -> dict[str, int]:
        return dict(Counter(state for state, _ in self.windows(name)))

    def wait_for_retries(self) -> None:
        """Let the pause after a failed attempt pass: it is kept by the database's clock, which no test holds."""
        with writing(self.store.engine) as connection:
            connection.exec_driver_sql("UPDATE windows SET not_before = NULL")

    def save_baseline(self, name: str) -> int:
        collection = self.daemon.deployment.collections[name]
        quiet = [Window(name, START + i * QUARTER, START + (i + 1) * QUARTER) for i in range(QUIET)]
        return self.store.save_baseline(
            name,
            pack(take_baseline(collection, quiet).baseline),
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


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[Store] = []

    def bench(*names: str, baselines: bool = True, store: type[Store] = Store, workers: int = 1) -> Bench:
        url = f"sqlite:///{tmp_path}/driftmon.db"
        schema.upgrade(url)
        settings = {
            "window": QUARTER,
            "lateness": timedelta(0),
            "sample_size": 60,
            "source": {"type": "sql"},  # never built: the test's own stands in its place
        }
        config = Config.model_validate(
            {"collections": dict.fromkeys(names, settings), "web": {"listen": "127.0.0.1:0"}}
        )
        traffic = {name: Traffic(name) for name in names}
        detectors = wire_detectors({}, index=False, suite=False, canaries=False)
        collections = {name: Collection(name, traffic[name], detectors, sample_size=60) for name in names}
        deployment = Deployment(config, collections, dict.fromkeys(names, 10.0))
        opened.append(store.open(url))
        made = Bench(opened[-1], traffic, Daemon(deployment, opened[-1]))
        made.daemon = Daemon(
            deployment,
            opened[-1],
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

    yield bench
    for store in opened:
        store.close()


def _metrics(daemon: Daemon) -> str:
    return daemon.exporter.render()[0].decode()


def test_a_tick_plans_works_and_publishes(make: Make) -> None:
    bench = make("docs")
    assert bench.daemon.ready() == "nothing has been read from the store yet"
    bench.pass_windows(3)
    bench.daemon.tick()
    assert bench.daemon.ready() is None
    assert bench.daemon.alive() is None
    assert bench.windows("docs") == [("done", 1)] * 3
    assert bench.traffic["docs"].read_from == [START + (QUIET + i) * QUARTER for i in range(3)]
    (row,) = bench.daemon.status()["collections"]
    assert (row["state"], row["window_end"], row["stale"]) == ("quiet", bench.now.isoformat(), False)
    end = 'driftmon_window_end_timestamp_seconds{collection="docs"} '
    assert float(_metrics(bench.daemon).split(end)[1].split()[0]) == bench.now.timestamp()


def test_a_tick_without_news_does_nothing_twice(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(2)
    bench.daemon.tick()
    bench.daemon.tick()
    assert len(bench.traffic["docs"].read_from) == 2
    bench.now -= 5 * QUARTER  # a clock that steps back plans nothing anew
    bench.daemon.tick()
    assert len(bench.traffic["docs"].read_from) == 2


def test_without_a_baseline_it_is_ready_and_says_so(make: Make) -> None:
    bench = make("docs", "wiki", baselines=False)
    bench.save_baseline("wiki")
    bench.pass_windows(2)
    with capture_logs() as told:
        for _ in range(3):
            bench.daemon.tick()
    assert bench.daemon.ready() is None  # what it shows is true, and a baseline may come at any time
    rows = {row["collection"]: row for row in bench.daemon.status()["collections"]}
    assert rows["docs"]["problems"] == ["no baseline: run `driftmon baseline build docs`"]
    assert (rows["docs"]["state"], rows["wiki"]["state"]) == (None, "quiet")
    lacking = [event for event in told if event["event"] == "no baseline"]
    assert lacking == [
        {
            "event": "no baseline",
            "log_level": "warning",
            "collection": "docs",
            "mend": "driftmon baseline build docs",
        }
    ]
    bench.save_baseline("docs")
    bench.daemon.tick()
    assert bench.states("docs") == {"done": 2}


def test_a_failing_edge_costs_an_attempt_and_nothing_else(make: Make) -> None:
    bench = make("docs", "wiki")
    bench.pass_windows(2)
    bench.traffic["docs"].broken.append(EdgeError("log: gone; start it"))
    with capture_logs() as told:
        bench.daemon.tick()
    assert bench.windows("docs") == [("planned", 1), ("planned", 0)]
    assert bench.windows("wiki") == [("done", 1), ("done", 1)]
    assert bench.daemon.ready() is None
    (failed,) = [event for event in told if event["event"] == "window failed"]
    assert (failed["collection"], failed["error"], failed["attempt"]) == ("docs", "log: gone; start it", 1)
    bench.daemon.tick()
    assert bench.windows("docs")[0] == ("planned", 1)  # its pause has not passed

    bench.traffic["docs"].broken.clear()
    bench.wait_for_retries()
    bench.daemon.tick()
    assert bench.windows("docs") == [("done", 2), ("done", 1)]


def test_a_window_that_always_fails_is_parked_and_the_next_ones_follow(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(2)
    poison = START + QUIET * QUARTER

    def fail_first() -> None:
        if bench.traffic["docs"].read_from[-1] == poison:
            raise EdgeError("log: this hour cannot be read")

    bench.traffic["docs"].watch.append(fail_first)
    for _ in range(MAX_ATTEMPTS):
        assert bench.windows("docs")[1:] in ([], [("planned", 0)])
        bench.daemon.tick()
        bench.wait_for_retries()
    assert bench.windows("docs") == [("parked", MAX_ATTEMPTS), ("done", 1)]
    (error,) = bench.store.window_errors("docs")
    assert (error.state, error.error) == ("parked", "log: this hour cannot be read")
    assert 'driftmon_windows_total{collection="docs",state="parked"} 1.0' in _metrics(bench.daemon)


def test_a_defect_is_parked_without_its_text(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(1)
    bench.traffic["docs"].broken.append(ZeroDivisionError("password=hunter2"))
    with capture_logs() as told:
        for _ in range(MAX_ATTEMPTS):
            bench.daemon.tick()
            bench.wait_for_retries()
    assert bench.windows("docs") == [("parked", MAX_ATTEMPTS)]
    (error,) = bench.store.window_errors("docs")
    assert error.error == "ZeroDivisionError (a defect; see the log)"
    assert [event["event"] for event in told].count("window failed unexpectedly") == MAX_ATTEMPTS
    assert bench.daemon.ready() is None


def test_the_pause_between_attempts_grows_and_is_bounded(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(1)
    bench.traffic["docs"].broken.append(EdgeError("gone"))
    with capture_logs() as told:
        for _ in range(3):
            bench.daemon.tick()
            bench.wait_for_retries()
    pauses = [event["retry_in"] for event in told if event["event"] == "window failed"]
    assert pauses == ["0:00:30", "0:01:00", "0:02:00"]


def test_a_stuck_tick_is_told_by_liveness_and_a_long_catch_up_is_not(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(4)
    seen: list[str | None] = []

    def slow() -> None:
        seen.append(bench.daemon.alive())
        bench.seconds += 200.0

    bench.traffic["docs"].watch.append(slow)
    bench.daemon.tick()
    assert seen == [None] * 4
    assert bench.daemon.alive() is None
    bench.seconds += 316.0
    assert bench.daemon.alive() == "no tick has ended for 316 s (limit 315 s)"
    bench.daemon.tick()
    assert bench.daemon.alive() is None


def test_a_long_catch_up_publishes_every_minute(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(12)

    def slow() -> None:
        bench.seconds += 25.0

    bench.traffic["docs"].watch.append(slow)
    bench.daemon.tick()
    done = [snapshot.collections[0].windows["done"] for snapshot in bench.published]
    assert done == [
        0,
        3,
        6,
        9,
        12,
        12,
    ]  # at the start, every minute or so (of three windows each), at the end


def test_a_stop_ends_the_catch_up_after_the_window_in_work(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(5)
    bench.traffic["docs"].watch.append(
        lambda: bench.daemon.stop() if len(bench.traffic["docs"].read_from) == 2 else None
    )
    bench.daemon.tick()
    assert bench.states("docs") == {"done": 2, "planned": 3}


def test_collections_are_worked_side_by_side(make: Make) -> None:
    bench = make("docs", "wiki", workers=2)
    bench.pass_windows(1)
    together = threading.Barrier(2, timeout=20)  # passed only when both are at work at once
    for traffic in bench.traffic.values():
        traffic.watch.append(together.wait)
    bench.daemon.tick()
    assert bench.states("docs") == bench.states("wiki") == {"done": 1}


def test_a_new_baseline_is_used_from_the_next_window_on(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(1)
    bench.daemon.tick()
    second = bench.save_baseline("docs")
    bench.pass_windows(1)
    bench.daemon.tick()
    with reading(bench.store.engine) as connection:
        used = connection.exec_driver_sql("SELECT baseline_id FROM windows ORDER BY start_at").all()
    assert [row[0] for row in used] == [1, second]


class Forgetful(Store):
    """A store whose next commits fail."""

    __slots__ = ()
    errors: list[StoreError] = []  # noqa: RUF012 a frozen dataclass takes no other place to keep it

    def commit(self, claim: Claim, outcome: Outcome) -> None:
        if self.errors:
            raise self.errors.pop()
        super().commit(claim, outcome)


def test_a_commit_that_fails_is_told_and_tried_again(make: Make) -> None:
    bench = make("docs", store=Forgetful)
    bench.pass_windows(2)
    Forgetful.errors.append(StoreError("sqlite:///driftmon.db: disk is full"))
    bench.daemon.tick()
    assert bench.daemon.ready() == "sqlite:///driftmon.db: disk is full"
    assert bench.windows("docs") == [("running", 1), ("planned", 0)]
    bench.daemon.tick()  # the attempt is counted now; without that its lease would block ten minutes
    assert bench.daemon.ready() is None
    assert bench.windows("docs") == [("planned", 1), ("planned", 0)]
    (error,) = bench.store.window_errors("docs")
    assert error.error == "sqlite:///driftmon.db: disk is full"
    bench.wait_for_retries()
    bench.daemon.tick()
    assert bench.windows("docs") == [("done", 2), ("done", 1)]


def test_a_lost_lease_is_no_failure(make: Make) -> None:
    bench = make("docs", store=Forgetful)
    bench.pass_windows(2)
    Forgetful.errors.append(LeaseLostError("window is no longer held by this worker"))
    with capture_logs() as told:
        bench.daemon.tick()
    assert bench.daemon.ready() is None
    assert [event["event"] for event in told].count("window lost") == 1


def test_a_failed_window_that_is_lost_too_ends_quietly(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(1)

    def lose() -> None:
        with writing(bench.store.engine) as connection:
            connection.exec_driver_sql("UPDATE windows SET fence = fence + 1")
        raise EdgeError("gone")

    bench.traffic["docs"].watch.append(lose)
    with capture_logs() as told:
        bench.daemon.tick()
    assert "window lost" in [event["event"] for event in told]
    assert bench.daemon.ready() is None


def test_a_database_that_is_gone_is_told_and_recovered_from(make: Make, tmp_path: Path) -> None:
    bench = make("docs")
    bench.pass_windows(1)
    bench.daemon.tick()
    bench.store.close()  # the write-ahead log is folded into the file
    database, away = tmp_path / "driftmon.db", tmp_path / "away.db"
    database.rename(away)
    database.mkdir()
    bench.pass_windows(1)
    bench.daemon.tick()
    assert "unable to open database file" in str(bench.daemon.ready())
    assert bench.daemon.alive() is None
    assert 'state="done"} 1.0' in _metrics(bench.daemon)  # the last that was known is still shown
    database.rmdir()
    bench.daemon.tick()
    assert "no such table" in str(bench.daemon.ready())
    database.unlink()
    away.rename(database)
    bench.daemon.tick()
    assert bench.daemon.ready() is None
    assert bench.states("docs") == {"done": 2}


def test_a_defect_of_the_tick_is_told_by_its_type_alone(make: Make) -> None:
    bench = make("docs")

    def defect() -> datetime:
        raise RuntimeError("password=hunter2")

    bench.daemon.clock = defect
    with capture_logs() as told:
        bench.daemon.tick()
    assert bench.daemon.ready() == "RuntimeError in the last tick; see the log"
    assert [event["event"] for event in told] == ["tick failed"]
    assert bench.daemon.alive() is None


def _start(bench: Bench) -> tuple[threading.Thread, list[bool], str]:
    """Run the daemon in a thread and return it, where its answer will stand, and its address."""
    ended: list[bool] = []
    with capture_logs() as told:
        thread = threading.Thread(target=lambda: ended.append(bench.daemon.run()))
        thread.start()
        waited = threading.Event()
        for _ in range(1000):
            started = [event for event in told if event["event"] == "started"]
            if started:
                return thread, ended, str(started[0]["url"])
            waited.wait(0.01)
    pytest.fail("the daemon did not start")


def _wait_until(true: Callable[[], Any]) -> None:
    waited = threading.Event()
    for _ in range(1000):
        if true():
            return
        waited.wait(0.02)
    pytest.fail("it did not come to pass within 20 s")


def test_run_serves_works_and_ends_when_told(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(2)
    thread, ended, url = _start(bench)
    _wait_until(lambda: bench.states("docs") == {"done": 2})
    _wait_until(lambda: httpx.get(f"{url}/-/ready").status_code == 200)
    assert httpx.get(f"{url}/-/healthy").text == "ok\n"
    assert httpx.get(f"{url}/api/v1/status").json()["collections"][0]["state"] == "quiet"
    bench.daemon.stop()
    thread.join(20)
    assert ended == [True]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/-/healthy")


def test_a_window_that_hangs_does_not_hold_up_the_end(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAIN", 0.3)
    bench = make("docs")
    bench.pass_windows(1)
    inside, released = threading.Event(), threading.Event()

    def hang() -> None:
        inside.set()
        released.wait(30)

    bench.traffic["docs"].watch.append(hang)
    thread, ended, _ = _start(bench)
    assert inside.wait(20)
    bench.daemon.stop()
    thread.join(20)
    assert ended == [False]
    assert bench.windows("docs") == [
        ("planned", 0)
    ]  # given back: whoever comes next need not wait for the lease
    with capture_logs() as told:
        released.set()
        _wait_until(lambda: "window lost" in [event["event"] for event in told])


def test_a_second_daemon_on_the_file_is_refused(make: Make) -> None:
    bench = make("docs")
    with bench.store.exclusive(), pytest.raises(StoreError, match="in use by another driftmon daemon"):
        bench.daemon.run()
