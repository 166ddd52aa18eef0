"""The whole way to a person: a service, two daemons over one PostgreSQL, Prometheus, Alertmanager, a receiver."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.core_fakes.living import LivingService
from tests.stack.conftest import ROOT, RULES, free_port, stop_process, wait_until_ready, without_waiting

COMMAND = str(Path(sys.executable).parent / "driftmon")
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yaml"
WINDOW = timedelta(seconds=10)
HISTORY = timedelta(minutes=20)
REPLICAS = 2


@dataclass
class Replica:
    """A real ``driftmon run`` and where it answers."""

    process: subprocess.Popen[bytes]
    port: int

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@dataclass
class OnCall:
    """What runs, and what the people on call have heard; ``clock`` holds what was measured, in seconds."""

    folder: Path
    service: LivingService
    replicas: tuple[Replica, ...]
    prometheus: str
    heard: list[tuple[float, str, dict[str, Any]]]
    clock: dict[str, float] = field(default_factory=dict)

    def driftmon(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed."""
        return call(self.folder, *arguments)

    def wait(self, what: str, seen: Callable[[], Any], seconds: float = 120.0) -> Any:
        """Return what ``seen`` finds as soon as it is true, and note how long that took."""
        began = time.monotonic()
        while not (found := seen()):
            if time.monotonic() - began > seconds:
                raise AssertionError(f"{what}: not within {seconds:g} s; heard {self.summary()}")
            time.sleep(0.1)
        self.clock[what] = time.monotonic() - began
        return found

    def firing(self, name: str) -> list[dict[str, str]]:
        """Return the labels of an alert that fires in Prometheus."""
        query = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": query}, trust_env=False)
        return [sample["metric"] for sample in answer.json()["data"]["result"]]

    def notifications(self, path: str, status: str, since: float = 0.0) -> list[dict[str, Any]]:
        """Return the notifications of that status that came to a receiver."""
        return [p for at, to, p in list(self.heard) if (to, p["status"]) == (path, status) and at >= since]

    def summary(self) -> list[tuple[str, str, list[str]]]:
        """Return what was heard in a form that a failed test can print."""
        return [
            (to, p["status"], [a["labels"]["alertname"] + " " + a["status"] for a in p["alerts"]])
            for _, to, p in list(self.heard)
            if to != "/watchdog"
        ]


@contextmanager
def on_call(folder: Path, database: str) -> Iterator[OnCall]:
    """Start all of it over a service that has been quiet for twenty minutes, with a baseline."""
    prometheus, alertmanager = need("prometheus"), need("prometheus-alertmanager", "alertmanager")
    with ExitStack() as ending:
        service = LivingService(folder / "service")
        now = datetime.now(UTC).replace(microsecond=0)
        service.live_through(now - HISTORY, now)
        service.start(now)
        ending.callback(service.end)
        ports = [free_port() for _ in range(REPLICAS)]
        (folder / "driftmon.yaml").write_text(yaml.safe_dump(configuration(service, database)))
        call(folder, "db", "upgrade")
        start, end = now - HISTORY, now - 2 * WINDOW
        call(folder, "baseline", "build", "docs", "--start", start.isoformat(), "--end", end.isoformat())
        replicas = tuple(start_replica(folder, port) for port in ports)
        for replica in replicas:
            ending.callback(finish, replica.process)
            wait_until_ready(
                f"http://127.0.0.1:{replica.port}", replica.process, folder / f"{replica.port}.log"
            )
        heard: list[tuple[float, str, dict[str, Any]]] = []
        receiver = ending.enter_context(receive(heard))
        manager = free_port()
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump(quickened(receiver)))
        arguments = [f"--storage.path={folder / 'am'}", "--cluster.listen-address="]
        start_server(ending, alertmanager, folder / "alertmanager.yaml", manager, arguments)
        port = free_port()
        (folder / "rules.yaml").write_text(yaml.safe_dump(impatient(RULES)))
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(scraping(ports, manager)))
        start_server(
            ending, prometheus, folder / "prometheus.yaml", port, [f"--storage.tsdb.path={folder / 'tsdb'}"]
        )
        yield OnCall(folder, service, replicas, f"http://127.0.0.1:{port}", heard)


def need(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"{names[0]} (Debian package {names[0]}) is not installed")


def configuration(service: LivingService, database: str) -> dict[str, Any]:
    return {
        "database": database,
        "log": {"format": "json"},
        "workers": 1,
        "collections": {
            "docs": {
                "window": f"{WINDOW.seconds}s",
                "lateness": "1s",
                "source": {
                    "type": "sql",
                    "url": f"sqlite:///{service.log}",
                    "table": "retrieval_log",
                    "vector_dtype": "float16",
                    "columns": {
                        "id": "id",
                        "at": "created_at",
                        "text": "query",
                        "vector": "embedding",
                        "hits": "results",
                    },
                },
                "live_embedder": {
                    "type": "openai",
                    "url": service.url,
                    "model": "demo",
                    "allow_private": ["127.0.0.1"],
                },
                "index": {"type": "memory", "path": f"{service.folder}/index.npz"},
                "suite": f"{service.folder}/suite.jsonl",
            }
        },
    }


def start_replica(folder: Path, port: int) -> Replica:
    """Start a daemon at a port of its own over the configuration that all share."""
    own = folder / f"replica-{port}.yaml"
    settings = yaml.safe_load((folder / "driftmon.yaml").read_text())
    own.write_text(yaml.safe_dump(settings | {"web": {"listen": f"127.0.0.1:{port}"}}))
    with (folder / f"{port}.log").open("w") as log:
        process = subprocess.Popen(
            [COMMAND, "run", "--config", str(own)],
            cwd=folder,
            stdout=log,
            stderr=log,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    return Replica(process, port)


def call(folder: Path, *arguments: str) -> str:
    done = subprocess.run([COMMAND, *arguments], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def finish(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGCONT)
    stop_process(process)


def start_server(ending: ExitStack, binary: str, config: Path, port: int, arguments: list[str]) -> None:
    with config.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(
            [binary, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}", *arguments],
            stdout=log,
            stderr=log,
        )
    ending.callback(stop_process, process)
    wait_until_ready(f"http://127.0.0.1:{port}", process, config.with_suffix(".log"))


@contextmanager
def receive(heard: list[tuple[float, str, dict[str, Any]]]) -> Iterator[int]:
    """Serve as the receiver of every route; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((time.monotonic(), self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the name of the library
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def quickened(port: int) -> dict[str, Any]:
    """The example with its receivers here and short waiting times; a group waits for its inhibiting alert."""
    config: dict[str, Any] = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))
    for route in (config["route"], *config["route"]["routes"]):
        route.update({key: "3s" for key in ("group_wait", "group_interval") if key in route})
    for receiver in config["receivers"]:
        for hook in receiver["webhook_configs"]:
            hook["url"] = f"http://127.0.0.1:{port}/{hook['url'].rsplit('/', 1)[1]}"
    return config


def impatient(path: Path) -> dict[str, Any]:
    """The rules without their waiting times; only stale windows wait: here a window is shorter than a tick.

    A snapshot is stale after half a minute instead of fifteen.
    """
    rules = without_waiting(path)
    for group in rules["groups"]:
        for rule in group["rules"]:
            if rule.get("alert") == "WindowsStale":
                rule["for"] = "30s"
            if rule.get("alert") == "SnapshotStale":
                assert "> 900" in rule["expr"]
                rule["expr"] = rule["expr"].replace("> 900", "> 30")
    return rules


def scraping(ports: list[int], alertmanager: int) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}],
        },
        "scrape_configs": [
            {
                "job_name": "driftmon",
                "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}],
            }
        ],
    }
