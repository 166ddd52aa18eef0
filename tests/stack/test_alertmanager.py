"""The Alertmanager example in a real Alertmanager: alerts go in, and what arrives at a receiver is looked at."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from deploy.mixin.causes import CAUSES
from tests.stack.conftest import free_port, stop_process, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "alertmanager" / "alertmanager.yaml"
GROUP = {cause.name: cause.group for cause in CAUSES}
SETTLE = 2.5
"""Seconds after the first notifications in which those that must not come would have come."""

Labels = dict[str, str]

pytestmark = pytest.mark.stack


def alert(name: str, severity: str, collection: str = "", **labels: str) -> Labels:
    """The labels that the rules give an alert."""
    family, _, segment = collection.partition("/")
    places = {"collection": collection, "family": family, "segment": segment}
    return {"alertname": name, "severity": severity, **{k: v for k, v in places.items() if v}, **labels}


def drift(collection: str, cause: str, severity: str) -> Labels:
    return alert("DriftDetected", severity, collection, cause=cause, cause_group=GROUP[cause])


PUSH = drift("push", "model_query_side", "critical")
ALERTS = [
    # A push with all that follows from it, in the collection and in a segment that cannot see the model.
    PUSH,
    alert("RecallLoss", "critical", "push"),
    alert("CanaryMoved", "critical", "push"),
    drift("push", "questions", "warning"),
    drift("push/tenant=acme", "questions", "critical"),
    # What has nothing to do with it.
    drift("wiki", "questions", "warning"),
    alert("WindowsParked", "warning", "push", state="parked"),
    # A push without harm silences no page.
    drift("mild", "model_reembedded", "warning"),
    alert("CanaryMoved", "warning", "mild"),
    drift("mild/tenant=acme", "questions", "warning"),
    alert("RecallLoss", "critical", "mild"),
    # Segments beside their collection.
    drift("sliced", "questions", "warning"),
    drift("sliced/tenant=same", "questions", "warning"),
    drift("sliced/tenant=other", "logging", "warning"),
    drift("sliced/tenant=worse", "questions", "critical"),
    drift("broken", "index_degraded", "critical"),
    drift("broken/tenant=acme", "index_degraded", "critical"),
    alert("WindowsStale", "warning", "sliced"),
    alert("WindowsStale", "warning", "sliced/tenant=same"),
    # The way to people.
    alert("NotificationsFailing", "critical", notifier="hook"),
    alert("NotificationsFailing", "warning", notifier="hook"),
    alert("NotificationsFailing", "warning", notifier="chat"),
    # A daemon that is gone, in one cluster of two.
    alert("DriftmonAbsent", "critical", cluster="b"),
    alert("SnapshotStale", "critical", cluster="b"),
    alert("WindowsStale", "warning", "far", cluster="b"),
    alert("SnapshotStale", "critical", cluster="a"),
    alert("Watchdog", "none"),
]


@dataclass
class Receiver:
    """A webhook receiver on loopback that keeps what it hears."""

    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def told(self, **matching: str) -> list[tuple[str, Labels]]:
        """Every alert that was told firing, with where it went, once; only those with these labels."""
        found = {
            (path, json.dumps(each["labels"], sort_keys=True))
            for path, payload in list(self.heard)
            for each in payload["alerts"]
            if each["status"] == "firing"
        }
        told = [(path, json.loads(labels)) for path, labels in sorted(found)]
        return [(p, labels) for p, labels in told if matching.items() <= labels.items()]


@dataclass
class Running:
    url: str
    receiver: Receiver

    def post(self, *alerts: Labels, over: bool = False) -> None:
        ended = {"endsAt": datetime.now(UTC).isoformat()} if over else {}
        body = [{"labels": labels, "annotations": {}, **ended} for labels in alerts]
        answer = httpx.post(f"{self.url}/api/v2/alerts", json=body, timeout=5, trust_env=False)
        assert answer.status_code == httpx.codes.OK, answer.text

    def wait(self, count: int, path: str, status: str = "firing") -> None:
        deadline = time.monotonic() + 30
        while True:
            heard = [
                p for p, payload in list(self.receiver.heard) if p == path and payload["status"] == status
            ]
            if len(heard) >= count:
                return
            assert time.monotonic() < deadline, f"{path} heard {len(heard)} times"
            time.sleep(0.05)


def quickened(port: int) -> dict[str, Any]:
    """The example with its receivers here and its waiting times as short as they go."""
    config: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    for route in (config["route"], *config["route"]["routes"]):
        route.update({key: "1s" for key in ("group_wait", "group_interval") if key in route})
    for receiver in config["receivers"]:
        for hook in receiver["webhook_configs"]:
            hook["url"] = f"http://127.0.0.1:{port}/{hook['url'].rsplit('/', 1)[1]}"
    return config


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if binary is None:
        pytest.skip("alertmanager (Debian package prometheus-alertmanager) is not installed")
    folder = tmp_path_factory.mktemp("alertmanager")
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.heard.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the parameter's own name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump(quickened(server.server_address[1])))
        port = free_port()
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [
                    binary,
                    f"--config.file={folder / 'alertmanager.yaml'}",
                    f"--storage.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, process, folder / "log")
            running = Running(url, receiver)
            running.post(*ALERTS)
            running.wait(5, "/pager")
            running.wait(5, "/tickets")
            time.sleep(SETTLE)
            yield running
        finally:
            stop_process(process)
            server.shutdown()


@pytest.mark.skipif(
    shutil.which("amtool") is None, reason="amtool (Debian package prometheus-alertmanager) is not installed"
)
def test_amtool_agrees() -> None:
    done = subprocess.run(["amtool", "check-config", EXAMPLE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 inhibit rules" in done.stdout


def test_a_model_push_is_told_once_and_silences_its_consequences(running: Running) -> None:
    assert running.receiver.told(family="push", severity="critical") == [("/pager", PUSH)]
    (page,) = [
        payload
        for path, payload in running.receiver.heard
        if payload["groupLabels"].get("family") == "push" and path == "/pager"
    ]
    assert len(page["alerts"]) == 1


def test_a_push_silences_nothing_that_does_not_follow_from_it(running: Running) -> None:
    warnings = running.receiver.told(family="push", severity="warning")
    assert [labels["alertname"] for _, labels in warnings] == ["WindowsParked"]
    assert [labels["cause"] for _, labels in running.receiver.told(family="wiki")] == ["questions"]


def test_a_push_without_harm_silences_no_page(running: Running) -> None:
    told = [(path, labels["alertname"]) for path, labels in running.receiver.told(family="mild")]
    assert told == [("/pager", "RecallLoss"), ("/tickets", "DriftDetected")]


def test_a_segment_is_told_where_it_says_more_than_its_collection(running: Running) -> None:
    told = {
        (path, labels["collection"])
        for path, labels in running.receiver.told(family="sliced", alertname="DriftDetected")
    }
    assert told == {
        ("/tickets", "sliced"),
        ("/tickets", "sliced/tenant=other"),
        ("/pager", "sliced/tenant=worse"),
    }
    stale = running.receiver.told(family="sliced", alertname="WindowsStale")
    assert [labels["collection"] for _, labels in stale] == ["sliced"]
    assert [labels["collection"] for _, labels in running.receiver.told(family="broken")] == ["broken"]


def test_a_family_is_one_notification(running: Running) -> None:
    groups = [
        payload
        for path, payload in running.receiver.heard
        if path == "/tickets" and payload["groupLabels"].get("family") == "sliced"
    ]
    assert [len(payload["alerts"]) for payload in groups] == [3]


def test_critical_silences_warning_about_the_same_notifier(running: Running) -> None:
    told = {
        (path, labels["notifier"]) for path, labels in running.receiver.told(alertname="NotificationsFailing")
    }
    assert told == {("/pager", "hook"), ("/tickets", "chat")}


def test_an_absent_daemon_silences_what_follows_from_it_in_its_cluster(running: Running) -> None:
    gone = [labels["alertname"] for _, labels in running.receiver.told(cluster="b")]
    assert gone == ["DriftmonAbsent"]
    stands = [labels["alertname"] for _, labels in running.receiver.told(cluster="a")]
    assert stands == ["SnapshotStale"]


def test_the_dead_mans_switch_hears_the_watchdog_and_nothing_else(running: Running) -> None:
    heard = [payload for path, payload in running.receiver.heard if path == "/watchdog"]
    assert {each["labels"]["alertname"] for payload in heard for each in payload["alerts"]} == {"Watchdog"}
    assert running.receiver.told(alertname="Watchdog") == [("/watchdog", alert("Watchdog", "none"))]


def test_the_end_of_a_push_is_told_once_and_what_still_stands_is_told_then(running: Running) -> None:
    # Last in this file: it changes what the others look at.
    running.post(PUSH, over=True)
    running.wait(1, "/pager", "firing")
    deadline = time.monotonic() + 30
    while not running.receiver.told(family="push", alertname="RecallLoss"):
        assert time.monotonic() < deadline, "the consequences are silent though the push is over"
        time.sleep(0.1)
    resolved = [
        each["labels"]
        for path, payload in running.receiver.heard
        if path == "/pager"
        for each in payload["alerts"]
        if each["status"] == "resolved"
    ]
    assert resolved == [PUSH]
