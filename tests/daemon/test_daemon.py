"""The daemon's tick under a clock and a stopwatch that the test holds, on a real store and real detectors."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from monitor.daemon import Daemon, work
from monitor.daemon import daemon as module
from monitor.daemon.work import MAX_ATTEMPTS
from monitor.errors import EdgeError, LeaseLostError, StoreError
from monitor.records import Outcome
from monitor.store import Claim, Store
from monitor.store.engine import reading, writing
from tests.core_fakes.bench import QUARTER, QUIET, START, Bench, Make


def _metrics(daemon: Daemon) -> str:
    return daemon.exporter.render()[0].decode()


def test_a_tick_plans_works_and_publishes(make: Make) -> None:
    bench = make("docs")
    assert bench.daemon.ready() == "nothing has been read from the store yet"
    bench.pass_windows(3)
    bench.tick()
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
    bench.tick()
    bench.tick()
    assert len(bench.traffic["docs"].read_from) == 2
    bench.now -= 5 * QUARTER  # a clock that steps back plans nothing anew
    bench.tick()
    assert len(bench.traffic["docs"].read_from) == 2


def test_without_a_baseline_it_is_ready_and_says_so(make: Make) -> None:
    bench = make("docs", "wiki", baselines=False)
    bench.save_baseline("wiki")
    bench.pass_windows(2)
    with capture_logs() as told:
        for _ in range(3):
            bench.tick()
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
    bench.tick()
    assert bench.states("docs") == {"done": 2}


def test_a_failing_edge_costs_an_attempt_and_nothing_else(make: Make) -> None:
    bench = make("docs", "wiki")
    bench.pass_windows(2)
    bench.traffic["docs"].broken.append(EdgeError("log: gone; start it"))
    with capture_logs() as told:
        bench.tick()
    assert bench.windows("docs") == [("planned", 1), ("planned", 0)]
    assert bench.windows("wiki") == [("done", 1), ("done", 1)]
    assert bench.daemon.ready() is None
    (failed,) = [event for event in told if event["event"] == "window failed"]
    assert (failed["collection"], failed["error"], failed["attempt"]) == ("docs", "log: gone; start it", 1)
    bench.tick()
    assert bench.windows("docs")[0] == ("planned", 1)  # its pause has not passed

    bench.traffic["docs"].broken.clear()
    bench.wait_for_retries()
    bench.tick()
    assert bench.windows("docs") == [("done", 2), ("done", 1)]


def test_a_window_that_always_fails_is_parked_and_the_next_ones_follow(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(2)
    poison = START + QUIET * QUARTER

    def fail_first() -> None:
        if bench.traffic["docs"].read_from[-1] == poison:
            raise EdgeError("log: this hour cannot be read")

    bench.traffic["docs"].watch.append(fail_first)
    for attempt in range(MAX_ATTEMPTS):
        assert bench.windows("docs")[1:] == ([("planned", 0)] if attempt else [])
        bench.tick()
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
            bench.tick()
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
            bench.tick()
            bench.wait_for_retries()
    pauses = [event["retry_in"] for event in told if event["event"] == "window failed"]
    assert pauses == ["0:00:30", "0:01:00", "0:02:00"]


def test_a_stuck_tick_is_told_by_liveness(make: Make) -> None:
    bench = make("docs")
    bench.tick()
    assert bench.daemon.alive() is None
    bench.seconds += 136.0
    bench.daemon._noticed = bench.seconds
    assert bench.daemon.alive() == "no tick has ended for 136 s (limit 135 s)"
    bench.tick()
    assert bench.daemon.alive() is None


def test_a_dead_look_at_the_crew_is_told_by_liveness(make: Make) -> None:
    bench = make("docs")
    bench.seconds += 136.0
    bench.tick()
    assert bench.daemon.alive() == "no look at the crew has ended for 136 s (limit 135 s)"


def test_a_long_catch_up_is_shown_while_it_goes_on(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(4)
    seen: list[int] = []

    def look() -> None:
        bench.daemon.tick()  # the next tick comes while the crew is still at work
        seen.append(bench.published[-1].collections[0].windows["done"])

    bench.traffic["docs"].watch.append(look)
    bench.tick()
    assert seen == [0, 1, 2, 3]
    assert bench.published[-1].collections[0].windows["done"] == 4


def test_a_stop_ends_the_catch_up_after_the_window_in_work(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(5)
    bench.traffic["docs"].watch.append(
        lambda: bench.daemon.stop() if len(bench.traffic["docs"].read_from) == 2 else None
    )
    bench.tick()
    assert bench.states("docs") == {"done": 2, "planned": 3}


def test_collections_are_worked_side_by_side(make: Make) -> None:
    bench = make("docs", "wiki", workers=2)
    bench.pass_windows(1)
    together = threading.Barrier(2, timeout=20)  # passed only when both are at work at once
    for traffic in bench.traffic.values():
        traffic.watch.append(together.wait)
    bench.tick()
    assert bench.states("docs") == bench.states("wiki") == {"done": 1}


def test_a_new_baseline_is_used_from_the_next_window_on(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(1)
    bench.tick()
    second = bench.save_baseline("docs")
    bench.pass_windows(1)
    bench.tick()
    with reading(bench.store.engine) as connection:
        used = connection.exec_driver_sql("SELECT baseline_id FROM windows ORDER BY start_at").all()
    assert [row[0] for row in used] == [1, second]


def test_only_so_many_baselines_are_kept_in_memory(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BASELINES", 2)
    bench = make("a", "b", "c")
    for _ in range(2):
        bench.pass_windows(1)
        bench.tick()
    assert [bench.states(name) for name in "abc"] == [{"done": 2}] * 3
    assert list(bench.daemon.crew.graph._baselines) == ["b", "c"]


def test_old_windows_are_rolled_up_along_the_way(make: Make) -> None:
    bench = make("docs", "wiki")
    bench.pass_windows(8)
    bench.tick()
    bench.now += timedelta(days=5)
    bench.tick()
    lengths = [end - start for start, end in bench.spans("wiki")]
    assert lengths[0] == timedelta(hours=1)
    assert bench.daemon.ready() is None
    assert bench.daemon.status()["collections"][1]["state"] == "quiet"


class Forgetful(Store):
    """A store whose next commits fail."""

    __slots__ = ()
    errors: list[StoreError] = []  # noqa: RUF012 a frozen dataclass takes no other place to keep it

    def commit(self, claim: Claim, outcome: Outcome) -> None:
        if self.errors:
            raise self.errors.pop()
        super().commit(claim, outcome)

    def fail(self, claim: Claim, error: str, max_attempts: int, retry_in: timedelta) -> None:
        if self.errors:
            raise self.errors.pop()
        super().fail(claim, error, max_attempts, retry_in)


def test_why_a_window_failed_is_told_when_the_store_is_back(make: Make) -> None:
    bench = make("docs", store=Forgetful)
    bench.pass_windows(1)
    bench.traffic["docs"].broken.append(EdgeError("log: gone; start it"))
    Forgetful.errors.append(StoreError("sqlite:///driftmon.db: disk is full"))
    bench.daemon.tick()
    bench.wait()
    assert bench.daemon.ready() == "sqlite:///driftmon.db: disk is full"
    bench.daemon.tick()
    (error,) = bench.store.window_errors("docs")
    assert error.error == "log: gone; start it"  # not that the disk was full for a moment


def test_a_commit_that_fails_is_told_and_tried_again(make: Make) -> None:
    bench = make("docs", store=Forgetful)
    bench.pass_windows(2)
    Forgetful.errors.append(StoreError("sqlite:///driftmon.db: disk is full"))
    bench.daemon.tick()
    bench.wait()
    assert bench.daemon.ready() == "sqlite:///driftmon.db: disk is full"
    assert bench.windows("docs") == [("running", 1), ("planned", 0)]
    bench.tick()  # the attempt is counted now; without that its lease would block
    assert bench.daemon.ready() is None
    assert bench.windows("docs") == [("planned", 1), ("planned", 0)]
    (error,) = bench.store.window_errors("docs")
    assert error.error == "sqlite:///driftmon.db: disk is full"
    bench.wait_for_retries()
    bench.tick()
    assert bench.windows("docs") == [("done", 2), ("done", 1)]


def test_a_lost_lease_is_no_failure(make: Make) -> None:
    bench = make("docs", store=Forgetful)
    bench.pass_windows(2)
    Forgetful.errors.append(LeaseLostError("window is no longer held by this worker"))
    with capture_logs() as told:
        bench.tick()
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
        bench.tick()
    assert "window lost" in [event["event"] for event in told]
    assert bench.daemon.ready() is None


def test_a_database_that_is_gone_is_told_and_recovered_from(make: Make, tmp_path: Path) -> None:
    bench = make("docs")
    bench.pass_windows(1)
    bench.tick()
    bench.store.close()  # the write-ahead log is folded into the file
    database, away = tmp_path / "driftmon.db", tmp_path / "away.db"
    database.rename(away)
    database.mkdir()
    bench.pass_windows(1)
    bench.tick()
    assert "unable to open database file" in str(bench.daemon.ready())
    assert bench.daemon.alive() is None
    assert 'state="done"} 1.0' in _metrics(bench.daemon)  # the last that was known is still shown
    database.rmdir()
    bench.tick()
    assert "no such table" in str(bench.daemon.ready())
    database.unlink()
    away.rename(database)
    bench.tick()
    assert bench.daemon.ready() is None
    assert bench.states("docs") == {"done": 2}


def test_a_defect_of_the_tick_is_told_by_its_type_alone(make: Make) -> None:
    bench = make("docs")

    def defect() -> datetime:
        raise RuntimeError("password=hunter2")

    bench.daemon.clock = defect
    with capture_logs() as told:
        bench.tick()
    assert bench.daemon.ready() == "RuntimeError in the last tick; see the log"
    assert [event["event"] for event in told] == ["tick failed"]
    assert bench.daemon.alive() is None


def _start(bench: Bench) -> tuple[threading.Thread, list[bool], str]:
    """Run the daemon in a thread and return it, where its answer will stand, and its address."""
    ended: list[bool] = []
    with capture_logs() as told:
        thread = threading.Thread(target=lambda: ended.append(bench.daemon.run()), daemon=True)
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
    # What is done is shown within a second or two, not at the next tick in fifteen.
    _wait_until(lambda: httpx.get(f"{url}/api/v1/status").json()["collections"][0]["state"] == "quiet")
    bench.daemon.stop()
    thread.join(20)
    assert ended == [True]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/-/healthy")


def test_a_signal_ends_it_wherever_the_main_thread_is_just_then(make: Make) -> None:
    """A handler runs between any two steps of the main thread, and waits for no lock that this one may hold."""

    def give_up(*_: object) -> None:
        raise TimeoutError("the handler waits for a lock")

    bench = make("docs")
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        bench.daemon.signals.take()
        signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, 5.0)
        lock = bench.daemon._stop._cond  # type: ignore[attr-defined]  # what a wait for the event holds as well
        with lock:
            signal.raise_signal(signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL  # who asks twice does not want to wait
        assert bench.daemon.run()  # it has been told, and ends at once
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)


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


def _shared(daemon: Daemon) -> list[str]:
    """The exposition without what a process says of itself."""
    own = ("driftmon_windows_in_work", "driftmon_nonfinite_total", "driftmon_config_last_reload")
    return [
        line
        for line in _metrics(daemon).splitlines()
        if line.startswith("driftmon_") and not line.startswith(own)
    ]


def test_a_replica_that_did_none_of_the_work_exports_the_same_snapshot(make: Make) -> None:
    bench = make("docs", "wiki")
    bench.pass_windows(3)
    bench.tick()
    other = Daemon(bench.daemon.deployment, bench.store, clock=lambda: bench.now)
    other._publish()
    assert len(_shared(bench.daemon)) > 50
    assert _shared(other) == _shared(bench.daemon)


def test_the_series_budget_is_the_configurations(make: Make) -> None:
    bench = make("docs")
    bench.pass_windows(1)
    bench.tick()
    assert "driftmon_series_limit 50000.0" in _metrics(bench.daemon)
    deployment = bench.daemon.deployment
    metrics = deployment.config.metrics.model_copy(update={"max_series": 30})
    config = deployment.config.model_copy(update={"metrics": metrics})
    bench.daemon.deployment = replace(deployment, config=config)
    bench.tick()
    text = _metrics(bench.daemon)
    assert "driftmon_series_limit 30.0" in text
    assert "driftmon_series_dropped 0.0" not in text
    assert len([line for line in text.splitlines() if line.startswith("driftmon_")]) <= 30
