from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from monitor.errors import EdgeError
from monitor.metrics import Exporter
from monitor.web import Limits, create_app, serve, summarize
from monitor.web.app import SECURITY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.records import Snapshot
    from monitor.web import Server

PATHS = ("/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/status", "/style.css")
URL = "postgresql://monitor:hunter2@db/driftmon"


class Checks:
    """What the daemon would tell; a test turns the knobs."""

    def __init__(self) -> None:
        self.alive: Callable[[], str | None]
        self.ready: Callable[[], str | None]
        self.reset()

    def reset(self) -> None:
        self.alive = self.ready = lambda: None

    def is_alive(self) -> str | None:
        return self.alive()

    def is_ready(self) -> str | None:
        return self.ready()


@pytest.fixture(scope="module")
def all_checks() -> Checks:
    return Checks()


@pytest.fixture
def checks(all_checks: Checks) -> Iterator[Checks]:
    yield all_checks
    all_checks.reset()


@pytest.fixture(scope="module")
def server(snapshot: Snapshot, all_checks: Checks) -> Iterator[Server]:
    exporter = Exporter()
    exporter.publish(snapshot)
    app = create_app(
        metrics=exporter.render,
        alive=all_checks.is_alive,
        ready=all_checks.is_ready,
        status=lambda: summarize(snapshot),
        limits=Limits(burst=100_000, concurrent=64),  # the tests ask faster than any client should
    )
    server = serve(app, "127.0.0.1", 0)
    yield server
    server.stop()


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=5.0, trust_env=False) as client:
        yield client


def fail() -> Any:
    raise RuntimeError(f"cannot reach {URL}")


def refuse() -> Any:
    raise EdgeError("the store does not answer: check its address")


def test_every_route_answers_with_its_type(client: httpx.Client) -> None:
    types = {path: client.get(path).headers["content-type"].split(";")[0] for path in PATHS}
    assert list(types.values()) == [
        "text/html",
        "text/plain",
        "text/plain",
        "text/plain",
        "application/json",
        "text/css",
    ]
    assert client.get("/").text.startswith("<!doctype html>")
    assert client.get("/-/healthy").text == "ok\n"
    assert client.get("/api/v1/status").json()["collections"][1]["collection"] == "support"


def test_metrics_follow_the_accept_header(client: httpx.Client) -> None:
    plain = client.get("/metrics", headers={"Accept": "text/plain"})
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    openmetrics = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_headers_of_get_and_no_body(client: httpx.Client, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client: httpx.Client, path: str, method: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", [*PATHS, "/missing", "/metrics/", "//evil.example.com/%2e%2e"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_answer_carries_the_security_headers(client: httpx.Client, path: str, method: str) -> None:
    answer = client.request(method, client.base_url.copy_with(raw_path=path.encode()))
    assert not answer.is_redirect
    for name, value in SECURITY_HEADERS.items():
        assert name == "Cache-Control" or answer.headers.get_list(name) == [value]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_a_probe_gives_its_reason(client: httpx.Client, checks: Checks, path: str) -> None:
    checks.alive = checks.ready = lambda: "no tick for 95 s"
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (503, "no tick for 95 s\n")


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
def test_a_probe_that_breaks_is_a_failure_and_tells_no_secret(
    client: httpx.Client, checks: Checks, path: str
) -> None:
    checks.alive = checks.ready = fail
    answer = client.get(path)
    assert answer.status_code == 503
    assert "check failed: RuntimeError" in answer.text
    assert "hunter2" not in answer.text
    checks.alive = checks.ready = refuse
    assert "the store does not answer" in client.get(path).text


def test_liveness_answers_while_readiness_hangs_on_the_database(server: Server, checks: Checks) -> None:
    release, waiting = threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        waiting.release()
        release.wait(20)

    checks.ready = hang
    pending = [
        threading.Thread(
            target=httpx.get, args=(f"{server.url}/-/ready",), kwargs={"timeout": 20, "trust_env": False}
        )
        for _ in range(45)  # more than the thread pool has threads
    ]
    for thread in pending:
        thread.start()
    try:
        assert all(waiting.acquire(timeout=10) for _ in range(40))
        assert httpx.get(f"{server.url}/-/healthy", timeout=5, trust_env=False).text == "ok\n"
    finally:
        release.set()
        for thread in pending:
            thread.join()


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/status"])
def test_a_failure_is_told_without_its_text(path: str, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(
        create_app(metrics=lambda _: fail(), alive=lambda: None, ready=lambda: None, status=fail),
        "127.0.0.1",
        0,
    )
    try:
        answer = httpx.get(server.url + path, trust_env=False)
    finally:
        server.stop()
    assert answer.status_code == 500
    assert answer.text == "driftmon could not answer: RuntimeError\n"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "RuntimeError" in caplog.text  # and the operator can see where
