"""Windows that hang, and those that must not wait for them; leases, time-outs, and what nobody could be told."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from monitor.daemon.crew import PATIENCE, RENEW, STRAGGLERS
from monitor.errors import EdgeError
from monitor.store.engine import reading, writing
from tests.core_fakes.bench import Bench, Make

TIMEOUT = timedelta(minutes=5).total_seconds()


class Hang:
    """An edge of some collections that does not answer until it is told to."""

    def __init__(self, bench: Bench, *names: str) -> None:
        self.entered = threading.Semaphore(0)
        self.answer = threading.Event()
        for name in names:
            bench.traffic[name].watch.append(self._wait)
        self.names = names

    def _wait(self) -> None:
        self.entered.release()
        assert self.answer.wait(30)

    def begin(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.entered.acquire(timeout=20)


@pytest.fixture
def hanging(make: Make) -> tuple[Bench, Hang]:
    """One place; the collection that comes first by name hangs."""
    bench = make("a", "b", "c")
    bench.pass_windows(2)
    return bench, Hang(bench, "a")


def _done(bench: Bench, name: str) -> int:
    return bench.states(name).get("done", 0)


def _until(bench: Bench, name: str, count: int) -> None:
    for _ in range(2000):
        if _done(bench, name) == count:
            return
        threading.Event().wait(0.01)
    pytest.fail(f"{name}: {_done(bench, name)} windows done, not {count}")


def test_a_hanging_collection_gives_its_place_away(hanging: tuple[Bench, Hang]) -> None:
    bench, hang = hanging
    crew = bench.daemon.crew
    bench.daemon.tick()
    hang.begin()
    crew.notice()
    assert (_done(bench, "b"), _done(bench, "c")) == (0, 0)  # it may still be brisk
    bench.seconds += PATIENCE + 0.1
    crew.notice()
    _until(bench, "b", 2)
    _until(bench, "c", 2)
    hang.answer.set()
    bench.wait()
    bench.tick()
    assert _done(bench, "a") == 2


def test_a_slow_one_that_ends_makes_no_more_threads_than_places(hanging: tuple[Bench, Hang]) -> None:
    bench, hang = hanging
    other = Hang(bench, "b", "c")
    bench.daemon.tick()
    hang.begin()
    bench.seconds += PATIENCE + 0.1
    bench.daemon.crew.notice()
    other.begin()
    hang.answer.set()  # its thread finds the place taken and goes home
    _until(bench, "a", 1)
    assert not other.entered.acquire(timeout=0.3)
    assert bench.states("a") == {"done": 1, "planned": 1}
    other.answer.set()
    bench.wait()
    bench.tick()
    assert [_done(bench, name) for name in "abc"] == [2, 2, 2]


def test_room_is_kept_for_those_that_never_were_slow(make: Make) -> None:
    slow = [f"a{i}" for i in range(STRAGGLERS)]
    bench = make(*slow, "z")
    bench.pass_windows(1)
    hang = Hang(bench, *slow)
    bench.daemon.tick()
    for _ in slow:
        hang.begin()
        bench.seconds += PATIENCE + 0.1
        bench.daemon.crew.notice()
    _until(bench, "z", 1)  # eight hang, and the place is still there
    hang.answer.set()
    bench.wait()
    hang.answer.clear()
    bench.pass_windows(1)  # the same again: now they are known for it, and take no place from the start
    bench.daemon.tick()
    hang.begin(STRAGGLERS // 2)
    _until(bench, "z", 2)
    assert not hang.entered.acquire(timeout=0.3)  # the other half of the room is for those that hang anew
    hang.answer.set()
    bench.wait()
    bench.tick()
    assert {_done(bench, name) for name in slow} == {2}


def test_a_collection_that_is_brisk_again_is_no_suspect(hanging: tuple[Bench, Hang]) -> None:
    bench, hang = hanging
    bench.daemon.tick()
    hang.begin()
    bench.seconds += PATIENCE + 0.1
    bench.daemon.crew.notice()
    assert bench.daemon.crew._suspects == {"a"}
    hang.answer.set()
    bench.wait()
    bench.tick()
    assert _done(bench, "a") == 2
    assert bench.daemon.crew._suspects == set()


def test_a_lease_is_extended_while_its_window_is_in_work(hanging: tuple[Bench, Hang]) -> None:
    bench, hang = hanging
    bench.daemon.tick()
    hang.begin()
    with writing(bench.store.engine) as connection:
        connection.exec_driver_sql("UPDATE windows SET lease_until = '2020-01-01 00:00:00.000000'")
    bench.daemon.tick()
    assert _lease(bench).startswith("2020")  # not yet
    bench.seconds += RENEW + 0.1
    bench.daemon.tick()
    assert not _lease(bench).startswith("2020")
    hang.answer.set()
    bench.wait()
    bench.tick()
    assert bench.windows("a") == [("done", 1)] * 2


def _lease(bench: Bench) -> str:
    with reading(bench.store.engine) as connection:
        query = "SELECT lease_until FROM windows WHERE state = 'running' AND collection = 'a'"
        return str(connection.exec_driver_sql(query).scalar())


def test_a_window_that_takes_too_long_fails_and_its_late_result_is_refused(
    hanging: tuple[Bench, Hang],
) -> None:
    bench, hang = hanging
    bench.daemon.tick()
    hang.begin()
    bench.seconds += TIMEOUT + 0.1
    bench.daemon.tick()
    assert bench.windows("a") == [("planned", 1), ("planned", 0)]
    (error,) = bench.store.window_errors("a")
    assert error.error.startswith("not done within 0:05:00; look at its log, embedder and index")
    bench.wait_for_retries()
    bench.daemon.tick()
    assert not hang.entered.acquire(timeout=0.3)  # no second thread is lost on it while the first still hangs
    assert bench.daemon.crew.lost() is None
    with capture_logs() as told:
        hang.answer.set()
        bench.wait()
    assert "window lost" in [event["event"] for event in told]
    bench.tick()
    assert bench.windows("a") == [("done", 2), ("done", 1)]


def test_a_lease_that_another_took_is_let_go(hanging: tuple[Bench, Hang]) -> None:
    bench, hang = hanging
    bench.daemon.tick()
    hang.begin()
    with writing(bench.store.engine) as connection:
        connection.exec_driver_sql("UPDATE windows SET fence = fence + 1 WHERE state = 'running'")
    bench.seconds += RENEW + 0.1
    bench.daemon.tick()
    assert bench.daemon.ready() is None
    hang.answer.set()
    bench.wait()
    assert _done(bench, "a") == 0


def test_when_every_place_hangs_for_good_only_a_restart_helps(make: Make) -> None:
    names = [f"a{i}" for i in range(STRAGGLERS + 1)]
    bench = make(*names)
    bench.pass_windows(1)
    hang = Hang(bench, *names)
    bench.daemon.tick()
    for _ in names:
        hang.begin()
        bench.seconds += PATIENCE + 0.1
        bench.daemon.crew.notice()
    assert bench.daemon.alive() is None
    bench.seconds += TIMEOUT
    bench.daemon.tick()
    bench.daemon._noticed = bench.seconds
    assert bench.daemon.alive() == (
        "9 windows hang in their edges long after their time-out; only a restart frees them"
    )
    hang.answer.set()
    bench.wait()
    assert bench.daemon.alive() is None


def test_a_failing_window_frees_its_place_at_once(hanging: tuple[Bench, Hang]) -> None:
    bench, _ = hanging
    bench.traffic["a"].watch.clear()
    bench.traffic["a"].broken.append(EdgeError("gone"))
    bench.tick()
    assert [_done(bench, name) for name in "abc"] == [0, 2, 2]
    assert bench.windows("a")[0] == ("planned", 1)


def test_the_end_gives_back_what_hangs(hanging: tuple[Bench, Hang]) -> None:
    bench, hang = hanging
    bench.daemon.tick()
    hang.begin()
    assert not bench.daemon.crew.drain(0.1)
    bench.daemon.crew.release()
    assert bench.windows("a") == [("planned", 0), ("planned", 0)]
    hang.answer.set()
    bench.wait()
    assert _done(bench, "a") == 0  # its result came too late
