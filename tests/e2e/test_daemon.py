"""The real process: probes, signals, a second one beside it, and a database that goes away under it."""

from __future__ import annotations

import json
import queue
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.cli.setup import TEMPLATE
from monitor.demo.example import write_example
from monitor.store import Store

pytestmark = pytest.mark.e2e

COMMAND = str(Path(sys.executable).parent / "driftmon")
HASTY = """
import functools, sys
from datetime import timedelta
from monitor import daemon
from monitor.cli.main import main
daemon.daemon.DRAIN = 0.5
daemon.Daemon = functools.partial(daemon.Daemon, tick_every=timedelta(seconds=1))
main()
"""
"""The same command, only that it ticks every second and drains for half of one."""
ELSEWHERE = """
import signal, threading, time
from monitor.cli.main import main
def end():
    while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        time.sleep(0.1)
    time.sleep(1)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
threading.Thread(target=end).start()
main()
"""
"""The same command, only that SIGTERM comes to a thread that is not the main one."""


def wait_for(what: str, seen: Callable[[], Any], seconds: float = 40.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = seen()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"{what}: not within {seconds:g} s")


class Running:
    """A daemon's process, its log as it comes, and its address."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.process = subprocess.Popen(
            [*(command or (COMMAND,)), "run"], cwd=folder, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))

    def events(self, name: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [event for event in found if event["event"] == name]

    @property
    def url(self) -> str:
        return str(wait_for("the start", lambda: self.events("started"))[0]["url"])

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10)

    def is_ready(self) -> bool:
        return self.get("/-/ready").status_code == 200

    def end(self, number: int) -> tuple[int, float]:
        """Send a signal; return the exit code and how long the end took."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join(5)
        return code, time.monotonic() - started

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def run(folder: Path, *command: str) -> Running:
        started.append(Running(folder, *command))
        return started[-1]

    yield run
    for running in started:
        running.close()


@pytest.fixture(scope="module")
def laid_down(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of `driftmon init` on a free port, without a baseline."""
    folder = tmp_path_factory.mktemp("example")
    # The log ends at a whole hour: one more hour of it, lest the clock strike and a last window be empty.
    write_example(folder / "driftmon-example", datetime.now(UTC) + timedelta(hours=1))
    settings = TEMPLATE.replace("127.0.0.1:9464", "127.0.0.1:0") + "\nlog: {format: json}\n"
    (folder / "driftmon.yaml").write_text(settings)
    return folder


@pytest.fixture(scope="module")
def quiet_days(laid_down: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched") / "example"
    shutil.copytree(laid_down, folder)
    command = [COMMAND, "baseline", "build", "--start", "-3d", "--end", "-1d"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture
def with_baseline(quiet_days: Path, tmp_path: Path) -> Path:
    """A folder of the test's own, whose last day has not been looked at yet."""
    return Path(shutil.copytree(quiet_days, tmp_path / "example"))


def test_it_watches_is_alone_ends_politely_and_goes_on(
    with_baseline: Path, start: Callable[..., Running]
) -> None:
    first = start(with_baseline)
    wait_for("readiness", first.is_ready)
    done = wait_for("the backlog", lambda: _caught_up(first))
    assert done >= 23
    assert first.get("/-/healthy").text == "ok\n"
    metrics = first.get("/metrics").text
    for series in (
        'driftmon_window_end_timestamp_seconds{collection="example"} 1',
        # The suite is asked whatever the hour; at night a window has too few questions for the other detectors.
        'driftmon_reading{collection="example",detector="recall_at_k",signal="suite"} 0.',
        'driftmon_verdict{collection="example",state="quiet"} 1.0',
        'driftmon_baseline_info{baseline="1",collection="example",model="vectors of the log"} 1.0',
    ):
        assert series in metrics
    assert not any(line.lower().endswith(" nan") for line in metrics.splitlines())
    page = first.get("/")
    assert page.status_code == 200
    assert "All quiet" in page.text

    second = subprocess.run(
        [COMMAND, "run"], cwd=with_baseline, check=False, capture_output=True, text=True, timeout=30
    )
    assert second.returncode == 3
    assert second.stderr.startswith("driftmon: driftmon.db is in use by another driftmon daemon (pid ")
    assert str(first.process.pid) in second.stderr
    assert second.stderr.count("\n") == 1

    code, seconds = first.end(signal.SIGTERM)
    assert (code, seconds < 10.0) == (0, True)
    assert first.events("stopped")[-1]["drained"]
    assert not any("Traceback" in line for line in first.lines)

    again = start(with_baseline)
    wait_for("readiness", again.is_ready)
    wait_for("the backlog", lambda: _caught_up(again))
    code, seconds = again.end(signal.SIGINT)  # what Ctrl-C sends
    assert (code, seconds < 10.0) == (0, True)
    worked = [event["window"] for running in (first, again) for event in running.events("window done")]
    assert len(worked) == len(set(worked)) >= 23


def _caught_up(running: Running) -> int:
    (row,) = running.get("/api/v1/status").json()["collections"]
    windows = row["windows"]
    return int(windows["done"]) if not windows["planned"] + windows["running"] else 0


def test_without_a_baseline_it_is_ready_and_says_what_is_missing(
    laid_down: Path, start: Callable[..., Running]
) -> None:
    running = start(laid_down)
    wait_for("readiness", running.is_ready)
    assert "no baseline: run `driftmon baseline build example`" in running.get("/").text
    assert running.get("/-/healthy").status_code == 200
    assert running.end(signal.SIGTERM)[0] == 0


def test_a_database_that_goes_away_is_told_and_found_again(
    with_baseline: Path, start: Callable[..., Running]
) -> None:
    running = start(with_baseline, sys.executable, "-c", HASTY)
    wait_for("readiness", running.is_ready)  # before it there is no row to look at
    wait_for("the backlog", lambda: _caught_up(running))

    database, away = with_baseline / "driftmon.db", with_baseline / "away.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what is moved away is whole
    database.rename(away)
    database.mkdir()  # also where tests run as root, for whom no file is unreadable
    reason = wait_for("the trouble", lambda: _trouble(running))
    assert "driftmon.db: unable to open database file" in reason
    assert running.get("/-/healthy").status_code == 200
    assert running.get("/").status_code == 200
    assert "driftmon_reading{" in running.get("/metrics").text

    database.rmdir()
    away.rename(database)
    wait_for("readiness", running.is_ready)
    assert running.end(signal.SIGTERM)[0] == 0


@pytest.mark.postgres
def test_replicas_on_postgresql_share_the_windows(
    laid_down: Path, start: Callable[..., Running], tmp_path: Path, postgres_database: str
) -> None:
    folder = Path(shutil.copytree(laid_down, tmp_path / "example"))
    path = folder / "driftmon.yaml"
    path.write_text(path.read_text().replace("sqlite:///driftmon.db", postgres_database))
    for command in ("db upgrade", "baseline build --start -3d --end -1d"):
        subprocess.run([COMMAND, *command.split()], cwd=folder, check=True, capture_output=True, timeout=60)
    replicas = [start(folder), start(folder)]
    for replica in replicas:
        wait_for("readiness", replica.is_ready)
    wait_for("the backlog", lambda: _caught_up(replicas[0]) or _caught_up(replicas[1]))
    assert [replica.end(signal.SIGTERM)[0] for replica in replicas] == [0, 0]
    worked = [event["window"] for replica in replicas for event in replica.events("window done")]
    assert len(worked) == len(set(worked)) >= 23
    assert not any(replica.events(name) for replica in replicas for name in ("window failed", "tick failed"))


def _trouble(running: Running) -> str:
    answer = running.get("/-/ready")
    return answer.text if answer.status_code == 503 else ""


@pytest.fixture
def hanging(with_baseline: Path) -> Iterator[tuple[Path, Callable[[], bool]]]:
    """A folder whose log is a server that takes connections and never answers; and whether it was asked."""
    asked: queue.Queue[socket.socket] = queue.Queue()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    asked.put(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        port = server.getsockname()[1]
        path = with_baseline / "driftmon.yaml"
        url = f"url: postgresql+psycopg://127.0.0.1:{port}/log\n      timeout: 300"
        path.write_text(path.read_text().replace("url: sqlite:///driftmon-example/log.db", url))
        yield with_baseline, lambda: not asked.empty()
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    while not asked.empty():
        asked.get().close()


def test_a_window_that_hangs_holds_up_the_end_only_so_long(
    hanging: tuple[Path, Callable[[], bool]], start: Callable[..., Running]
) -> None:
    folder, asked = hanging
    running = start(folder, sys.executable, "-c", HASTY)
    wait_for("the first window", asked)
    code, seconds = running.end(signal.SIGTERM)
    assert (code, seconds < 10.0) == (0, True)
    assert not running.events("stopped")[-1]["drained"]
    with closing(Store.open(f"sqlite:///{folder}/driftmon.db")) as store:
        windows = store.statuses(["example"])[0].windows
    assert windows["running"] == 0  # given back: the next start need not wait for the lease
    assert windows["planned"] >= 23


def test_who_asks_twice_does_not_wait(
    hanging: tuple[Path, Callable[[], bool]], start: Callable[..., Running]
) -> None:
    folder, asked = hanging
    running = start(folder)  # drains for twenty seconds
    wait_for("the first window", asked)
    running.process.send_signal(signal.SIGINT)
    wait_for("the drain", lambda: running.events("stopping"))
    code, seconds = running.end(signal.SIGINT)
    assert (code, seconds < 5.0) == (-signal.SIGINT, True)


def test_sighup_takes_up_what_was_edited(with_baseline: Path, start: Callable[..., Running]) -> None:
    running = start(with_baseline)
    wait_for("readiness", running.is_ready)
    path = with_baseline / "driftmon.yaml"
    good = path.read_text()
    path.write_text(good + "\nnonsense: 1\n")
    running.process.send_signal(signal.SIGHUP)
    (refused,) = wait_for("the refusal", lambda: _refused(running))
    assert "nonsense: unknown key" in refused["error"]
    reloaded = "driftmon_config_last_reload_successful"
    wait_for("the metric", lambda: f"{reloaded} 0.0" in running.get("/metrics").text)
    assert running.get("/-/healthy").status_code == 200

    name = good.replace("\n  example:", "\n  renamed:")
    path.write_text(name)
    running.process.send_signal(signal.SIGHUP)
    wait_for("the reload", lambda: running.events("configuration reloaded"))
    wait_for("the metric", lambda: f"{reloaded} 1.0" in running.get("/metrics").text)
    (row,) = running.get("/api/v1/status").json()["collections"]
    assert row["collection"] == "renamed"
    assert running.end(signal.SIGTERM)[0] == 0


def test_a_signal_that_another_thread_gets_ends_it(
    with_baseline: Path, start: Callable[..., Running]
) -> None:
    """Of two signals at once the kernel gives the second to another thread; handlers run when the main one wakes up."""
    running = start(with_baseline, sys.executable, "-c", ELSEWHERE)
    assert running.process.wait(60) == 0


def test_a_token_is_asked_for_and_may_be_replaced(with_baseline: Path, start: Callable[..., Running]) -> None:
    path, token = with_baseline / "driftmon.yaml", with_baseline / "token"
    token.write_text("first-token-of-many-letters\n")
    path.write_text(path.read_text().replace("listen:", "token_file: token\n  listen:"))
    running = start(with_baseline)
    wait_for("readiness", running.is_ready)  # probes ask for nothing
    assert running.get("/metrics").status_code == 401
    metrics = f"{running.url}/metrics"
    first = {"Authorization": "Bearer first-token-of-many-letters"}
    assert httpx.get(metrics, headers=first).status_code == 200
    token.write_text("second-token-of-many-letters\n")
    second = {"Authorization": "Bearer second-token-of-many-letters"}
    wait_for("the new token", lambda: httpx.get(metrics, headers=second).status_code == 200)
    assert httpx.get(metrics, headers=first).status_code == 401
    assert running.end(signal.SIGTERM)[0] == 0
    assert not any("token-of-many-letters" in line for line in running.lines)


def _refused(running: Running) -> list[dict[str, Any]]:
    return running.events("configuration refused, the old one stays")
