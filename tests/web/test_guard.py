from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from structlog.testing import capture_logs

from monitor.web import Limits, TokenFile, create_app, exposed, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from monitor.web import Server

TOKEN = "correct-horse-battery"  # noqa: S105 - of a test
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
WRONG = {"Authorization": "Bearer wrong-wrong-wrong-wrong"}
PROTECTED = ("/", "/metrics", "/api/v1/status", "/style.css", "/missing", "/-/healthy/", "/-/other")
PROBES = ("/-/healthy", "/-/ready")
Start = Any


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    return file


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Start a server whose parts a test may replace; they end with the test."""
    servers: list[Server] = []

    def begin(token: TokenFile | None = None, limits: Limits | None = None, **parts: Any) -> Server:
        functions: dict[str, Any] = {
            "metrics": lambda _: (b"up 1\n", "text/plain"),
            "alive": lambda: None,
            "ready": lambda: None,
            "status": lambda: {"version": "0", "at": None, "config_ok": True, "collections": []},
        }
        app = create_app(**{**functions, **parts}, token=token, limits=limits)
        servers.append(serve(app, "127.0.0.1", 0, limits=limits))
        return servers[-1]

    yield begin
    for server in servers:
        server.stop()


def ask(server: Server, path: str, method: str = "GET", **how: Any) -> httpx.Response:
    return httpx.request(method, server.url + path, timeout=10, trust_env=False, **how)


def talk(server: Server, request: bytes, source: str = "127.0.0.1") -> bytes:
    """Send bytes and return everything that comes back until the server closes."""
    answer = b""
    with socket.create_connection((server.host, server.port), 10, source_address=(source, 0)) as connection:
        connection.sendall(request)
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def one(path: str, *headers: str, source: str = "127.0.0.1") -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("path", PROTECTED)
def test_nothing_but_the_probes_is_open_without_the_token(start: Start, file: Path, path: str) -> None:
    server = start(TokenFile(file))
    for headers in ({}, WRONG):
        answer = ask(server, path, headers=headers)
        assert answer.status_code == 401
        challenges = answer.headers.get_list("www-authenticate")
        assert [challenge.split()[0] for challenge in challenges] == ["Bearer", "Basic"]
        assert "x-content-type-options" in answer.headers
        assert "up 1" not in answer.text
    assert ask(server, path, headers=RIGHT).status_code in {200, 404}


@pytest.mark.parametrize("path", PROBES)
def test_probes_need_no_token(start: Start, file: Path, path: str) -> None:
    server = start(TokenFile(file))
    for headers in ({}, WRONG, RIGHT):
        assert ask(server, path, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/-/healthy%0a",
        "//-/healthy",
        "/-/ready/../../metrics",
        "/%2e%2e/metrics",
        "/metrics%0a",
        "/-/Healthy",
    ],
)
def test_no_other_spelling_of_a_probe_opens_a_route(start: Start, file: Path, path: str) -> None:
    assert talk(start(TokenFile(file)), one(path)).startswith(b"HTTP/1.1 401")


def test_a_person_opens_the_page_with_the_token_as_password(start: Start, file: Path) -> None:
    server = start(TokenFile(file))
    assert ask(server, "/", auth=("anybody", TOKEN)).text.startswith("<!doctype html>")
    assert ask(server, "/", auth=(TOKEN, "anybody")).status_code == 401


def test_two_authorization_headers_are_one_too_many(start: Start, file: Path) -> None:
    lines = (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer wrong-wrong-wrong")
    for given in (lines, lines[::-1]):
        assert talk(start(TokenFile(file)), one("/metrics", *given)).startswith(b"HTTP/1.1 401")


def test_a_replaced_token_is_taken_up_without_a_restart(start: Start, file: Path) -> None:
    server = start(TokenFile(file))
    assert ask(server, "/metrics", headers=RIGHT).status_code == 200
    file.with_suffix(".new").write_text("another-horse-battery")
    file.with_suffix(".new").rename(file)
    time.sleep(1.1)
    assert ask(server, "/metrics", headers=RIGHT).status_code == 401
    again = {"Authorization": "Bearer another-horse-battery"}
    assert ask(server, "/metrics", headers=again).status_code == 200


def test_a_vanished_token_file_refuses_everybody_and_not_the_probes(start: Start, file: Path) -> None:
    server = start(TokenFile(file))
    file.unlink()
    time.sleep(1.1)
    for headers in ({}, RIGHT, {"Authorization": "Bearer"}):
        answer = ask(server, "/metrics", headers=headers)
        assert answer.status_code == 503
        assert "token file cannot be used" in answer.text
        assert str(file) not in answer.text
    assert ask(server, "/-/healthy").status_code == 200
    file.write_text(TOKEN)
    time.sleep(1.1)
    assert ask(server, "/metrics", headers=RIGHT).status_code == 200


def test_without_a_token_file_the_server_is_open(start: Start) -> None:
    assert ask(start(), "/metrics").status_code == 200


@pytest.mark.parametrize(
    ("host", "open_to_others"),
    [
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("[::1]", False),
        ("localhost", False),
        ("0.0.0.0", True),  # noqa: S104 - it is what is warned about
        ("::", True),
        ("192.0.2.1", True),
        ("driftmon.example.com", True),
        ("localhost.example.com", True),
    ],
)
def test_an_open_server_that_others_reach_is_warned_about(
    host: str, open_to_others: bool, tmp_path: Path
) -> None:
    sentence = exposed(host, None)
    assert (sentence is not None) is open_to_others
    assert sentence is None or (host in sentence and "web.token_file" in sentence)
    assert exposed(host, tmp_path / "token") is None


def test_wrong_tokens_put_the_brake_on_for_their_address_alone(start: Start, file: Path) -> None:
    server = start(TokenFile(file), Limits(wrong_tokens_per_second=2, burst=1000))
    wrong = one("/metrics", "Authorization: Bearer wrong-wrong-wrong-wrong")
    right = one("/metrics", f"Authorization: Bearer {TOKEN}")
    first = [talk(server, wrong).split()[1] for _ in range(6)]
    assert first[:2] == [b"401", b"401"]
    assert first[-1] == b"429"
    braked = talk(server, right)  # a right guess among wrong ones is not told apart
    assert braked.split()[1] == b"429"
    assert b"retry-after: 1\r\n" in braked.lower()
    assert talk(server, right, "127.0.0.2").split()[1] == b"200"
    assert talk(server, one("/-/healthy")).split()[1] == b"200"
    time.sleep(0.6)
    assert talk(server, right).split()[1] == b"200"


def test_coming_without_a_token_is_no_wrong_token(start: Start, file: Path) -> None:
    server = start(TokenFile(file), Limits(wrong_tokens_per_second=1))
    assert {ask(server, "/").status_code for _ in range(10)} == {401}
    assert ask(server, "/", headers=RIGHT).status_code == 200


def test_an_address_that_asks_too_often_waits_and_others_do_not(start: Start) -> None:
    server = start(limits=Limits(requests_per_second=1, burst=5))
    answers = [talk(server, one("/metrics")) for _ in range(8)]
    assert [answer.split()[1] for answer in answers] == [b"200"] * 5 + [b"429"] * 3
    assert b"retry-after: 1\r\n" in answers[-1].lower()
    assert talk(server, one("/metrics"), "127.0.0.3").split()[1] == b"200"
    assert all(talk(server, one(path)).split()[1] == b"200" for path in PROBES * 10)


def test_a_forwarded_address_leads_past_no_limit(start: Start) -> None:
    server = start(limits=Limits(requests_per_second=1, burst=5))
    codes = [talk(server, one("/metrics", f"X-Forwarded-For: 198.51.100.{i}")).split()[1] for i in range(8)]
    assert codes[5:] == [b"429"] * 3


def test_memory_stays_bounded_under_ten_thousand_addresses() -> None:
    import asyncio

    from monitor.web.guard import Guard

    async def app(*_: object) -> None:
        return None

    async def nothing(*_: object) -> Any:
        return None

    guard = Guard(app)

    async def flood() -> None:
        for i in range(10_000):
            scope = {
                "type": "http",
                "path": "/metrics",
                "raw_path": b"/metrics",
                "query_string": b"",
                "method": "GET",
                "headers": [],
                "client": (f"10.0.{i // 256}.{i % 256}", 1),
            }
            await guard(scope, nothing, nothing)

    asyncio.run(flood())
    assert len(guard._rates) == 1024
    assert not guard.refused


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"GET /{'a' * 9000} HTTP/1.1\r\nHost: x", b"414"),
        (f"GET /metrics?{'a' * 9000} HTTP/1.1\r\nHost: x", b"414"),
        (f"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: {'a' * 20_000}", b"431"),
        ("GET /metrics HTTP/1.1\r\nHost: x" + "\r\nA: b" * 3000, b"431"),
        ("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5", b"413"),
        ("GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 5", b"413"),
        ("HEAD /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5", b"413"),
        ("GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked", b"413"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 65537", b"413"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999", b"413"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 65536", b"405"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked", b"405"),
    ],
)
def test_what_is_too_long_is_refused_before_it_is_read(start: Start, head: str, status: bytes) -> None:
    started = time.monotonic()
    answer = talk(start(), f"{head}\r\n\r\n".encode())  # no body follows: the server must not wait for one
    assert answer.split()[1] == status
    assert b"connection: close" in answer.lower()
    assert time.monotonic() - started < 2


def test_an_endless_header_is_cut_off(start: Start) -> None:
    server = start()
    with socket.create_connection((server.host, server.port), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012 - whichever send comes too late
            for _ in range(10_000):
                connection.sendall(b"X-Padding: " + b"a" * 1000 + b"\r\n")


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1:80\r\nX-Other: y", "a" * 3000])
@pytest.mark.parametrize("path", ["/", "/missing", "/metrics/", "http://evil.example.com/metrics"])
def test_the_host_header_comes_back_nowhere(start: Start, host: str, path: str) -> None:
    answer = talk(start(), f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert b"evil.example.com" not in answer
    assert b"aaaa" not in answer
    assert b"access-control" not in answer.lower()
    assert b"server:" not in answer.lower()
    assert b"strict-transport-security" not in answer.lower()


def test_probes_answer_when_every_place_is_taken(start: Start) -> None:
    entered, release = threading.Semaphore(0), threading.Event()

    def hang(_: str) -> tuple[bytes, str]:
        entered.release()
        release.wait(20)
        return b"", "text/plain"

    server = start(limits=Limits(concurrent=4), metrics=hang)
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(ask(server, "/metrics").status_code)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    try:
        assert all(entered.acquire(timeout=10) for _ in threads)
        refused = ask(server, "/metrics")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert [ask(server, path).status_code for path in PROBES] == [200, 200]
    finally:
        release.set()
        for thread in threads:
            thread.join()
    assert codes == [200] * 4
    assert ask(server, "/metrics").status_code == 200  # the places are free again


def test_liveness_answers_when_every_place_of_readiness_is_taken(start: Start) -> None:
    entered, release = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        entered.release()
        release.wait(20)

    server = start(limits=Limits(concurrent=2), ready=hang)
    threads = [threading.Thread(target=ask, args=(server, "/-/ready")) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert all(entered.acquire(timeout=10) for _ in threads)
        assert ask(server, "/-/ready").status_code == 503
        assert ask(server, "/-/healthy").status_code == 200
        assert ask(server, "/metrics").status_code == 200
    finally:
        release.set()
        for thread in threads:
            thread.join()


def test_a_place_is_free_again_after_a_failure(start: Start) -> None:
    def fail(_: str) -> tuple[bytes, str]:
        raise RuntimeError("broken")

    server = start(limits=Limits(concurrent=2), metrics=fail)
    assert [ask(server, "/metrics").status_code for _ in range(5)] == [500] * 5


def test_a_flood_of_refusals_is_one_line_of_log(start: Start) -> None:
    server = start(limits=Limits(requests_per_second=1, burst=1))
    with capture_logs() as told:
        for _ in range(50):
            talk(server, one("/metrics?secret=hunter2"))
    (refused,) = [event for event in told if event["event"] == "request refused"]
    assert (refused["reason"], refused["client"]) == ("rate", "127.0.0.1")
    assert "hunter2" not in str(refused)


def test_comparing_tokens_costs_a_scrape_nothing(start: Start, file: Path) -> None:
    body = b"driftmon_reading 1\n" * 2000
    limits = Limits(requests_per_second=1e6, burst=100_000, wrong_tokens_per_second=1e6)
    open_to_all = start(limits=limits, metrics=lambda _: (body, "text/plain"))
    guarded = start(TokenFile(file), limits, metrics=lambda _: (body, "text/plain"))
    stop = threading.Event()

    def guess() -> None:
        with httpx.Client(trust_env=False, timeout=10) as client:
            while not stop.wait(0.01):
                client.get(f"{guarded.url}/metrics", headers={"Authorization": f"Bearer {'x' * 4000}"})

    guessing = threading.Thread(target=guess)
    guessing.start()
    try:
        without, with_token = percentile(open_to_all), percentile(guarded)
    finally:
        stop.set()
        guessing.join()
    assert with_token < without * 2 + 0.02, (without, with_token)


def percentile(server: Server, count: int = 300) -> float:
    """Return the 99th percentile of the seconds that a scrape takes."""
    seconds = []
    with httpx.Client(trust_env=False, timeout=10, headers=RIGHT) as client:
        for _ in range(count):
            started = time.perf_counter()
            assert client.get(f"{server.url}/metrics").status_code == 200
            seconds.append(time.perf_counter() - started)
    return sorted(seconds)[int(0.99 * count) - 1]
