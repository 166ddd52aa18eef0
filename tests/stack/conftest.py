from __future__ import annotations

import math
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from monitor.metrics import Exporter
from monitor.records import (
    Backlog,
    Cause,
    CollectionStatus,
    Evidence,
    Incident,
    Reading,
    Severity,
    Snapshot,
    Verdict,
)
from monitor.web import Server, create_app, serve, summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "driftmon.rules.yaml"
REPLICAS = 2
Sample = dict[str, Any]


def make_snapshot(
    severity: Severity = "none", cause: str = "none", fired: tuple[str, ...] = (), parked: int = 0
) -> Snapshot:
    """One collection, ``docs``, with a value for every metric; in drift where something fired."""
    now = datetime.now(UTC)
    firing = set(fired)

    def stream(key: str, log_e: float) -> Evidence:
        detector, signal = key.split(".")
        return Evidence(detector, signal, log_e, firing=key in firing)

    status = CollectionStatus(
        collection="docs",
        window_end=now - timedelta(minutes=2),
        window_length=timedelta(minutes=15),
        readings=(
            Reading("centroid_distance", "queries", 0.25, 400, log_p=math.log(1e-6), effect_floor=0.02),
            Reading(
                "recall_at_k", "suite", 0.75, 50, log_p=-3, effect_floor=0.02, effect=0.25, detail={"k": 10}
            ),
            Reading("era_recall", "suite", 0.75, 50, log_p=-3, effect_floor=0.02, effect=0.25, harmful=True),
            Reading("canary", "canary", 0.5, 64, threshold=1e-3, harmful=True),
            Reading("feedback", "feedback", 0.0, 3, status="insufficient"),
        ),
        evidence=(
            stream("centroid_distance.queries", 20),
            stream("era_recall.suite", 20),
            stream("canary.canary", 0),
        ),
        verdict=Verdict(
            "drift" if fired else "quiet", severity, (Cause(cause, 0.9),) if fired else (), fired
        ),
        incidents=(Incident(1, "docs", now, now, None, severity, cause, fired),) if fired else (),
        windows={"done": 12, "parked": parked},
        sample_sizes={"queries": 400},
        baseline_id=7,
        baseline_model="all-MiniLM-L6-v2",
        log_threshold=math.log(1000),
    )
    paces = {"brisk": 1, "slow": 0, "hanging": 0}
    return Snapshot(
        now,
        (status,),
        {("hook", "delivered"): 3},
        backlogs={"hook": Backlog(pending=1, oldest_age=30.0)},
        events={("docs", "model_push"): now, ("docs", "deploy"): now - timedelta(minutes=10)},
        config_read_at=now,
        in_work=paces,
    )


def model_push() -> Snapshot:
    """The query side moved to another model."""
    fired = ("canary.canary", "era_recall.suite")
    return make_snapshot("critical", "model_query_side", fired, parked=1)


@dataclass
class Stack:
    """A Prometheus that scrapes two replicas every second."""

    url: str
    exporters: tuple[Exporter, ...]

    def push_model(self) -> None:
        """Let every replica see a model push."""
        self._publish(model_push())

    def mend(self) -> None:
        """Let every replica see that all is quiet again."""
        self._publish(make_snapshot())

    def _publish(self, snapshot: Snapshot) -> None:
        for exporter in self.exporters:
            exporter.publish(snapshot)

    def query(self, expr: str) -> list[Sample]:
        """Return the samples of an instant query; an error of Prometheus fails the test."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expr}, timeout=5, trust_env=False)
        body = answer.json()
        assert body["status"] == "success", f"{expr}: {body}"
        result: list[Sample] = body["data"]["result"]
        return result

    def wait(self, expr: str, until: Callable[[list[Sample]], bool], seconds: float = 20.0) -> list[Sample]:
        """Query until ``until`` holds, and return that answer."""
        deadline = time.monotonic() + seconds
        while not until(samples := self.query(expr)):
            assert time.monotonic() < deadline, f"{expr} still gives {samples} after {seconds} s"
            time.sleep(0.1)
        return samples


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A real Prometheus over two real servers, evaluating the shipped rules without their waiting times."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus (Debian package prometheus) is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    with ExitStack() as ending:
        exporters = tuple(Exporter() for _ in range(REPLICAS))
        servers = [start_replica(exporter) for exporter in exporters]
        for server in servers:
            ending.callback(server.stop)
        (folder / "rules.yaml").write_text(yaml.safe_dump(without_waiting(RULES)))
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration(servers)))
        port = free_port()
        log = ending.enter_context((folder / "log").open("w"))
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        ending.callback(stop_process, process)
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, process, folder / "log")
        stack = Stack(url, exporters)
        stack.push_model()
        stack.wait("driftmon_incident_active > 0", lambda samples: len(samples) == REPLICAS)
        yield stack


def start_replica(exporter: Exporter) -> Server:
    app = create_app(
        metrics=exporter.render, alive=lambda: None, ready=lambda: None, status=lambda: summarize(None)
    )
    return serve(app, "127.0.0.1", 0)


def without_waiting(path: Path) -> dict[str, Any]:
    """The rules, except that nothing waits: promtool tests the durations with a clock of its own."""
    rules: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
            rule.pop("keep_firing_for", None)
    return rules


def configuration(servers: list[Server]) -> dict[str, Any]:
    targets = [f"{server.host}:{server.port}" for server in servers]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "driftmon", "static_configs": [{"targets": targets}]}],
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def stop_process(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
