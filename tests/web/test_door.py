from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from monitor.web import Limits, create_app, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.web import Server

Start = Any


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def begin(limits: Limits, body: bytes = b"up 1\n", hold: Callable[[], object] = lambda: None) -> Server:
        def metrics(_: str) -> tuple[bytes, str]:
            hold()
            return body, "text/plain"

        app = create_app(metrics=metrics, alive=lambda: None, ready=lambda: None, status=dict, limits=limits)
        servers.append(serve(app, "127.0.0.1", 0, limits=limits))
        return servers[-1]

    yield begin
    for server in servers:
        server.stop()


def connect(server: Server, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((server.host, server.port), 10, source_address=(source, 0))


def scrape(connection: socket.socket) -> None:
    connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"up 1\n"):
        answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")


def until_closed(connection: socket.socket, timeout: float = 10.0) -> float:
    """Return the seconds until the server ends the connection."""
    connection.settimeout(timeout)
    started = time.monotonic()
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - started


def is_open(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    try:
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def healthy(server: Server) -> bool:
    return httpx.get(f"{server.url}/-/healthy", timeout=5, trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\r"],
)
def test_who_connects_and_never_finishes_asking_is_cut(start: Start, sent: bytes) -> None:
    server = start(Limits(wait_seconds=1))
    with connect(server) as connection:
        connection.sendall(sent)
        assert 0.5 < until_closed(connection) < 3


def test_a_header_now_and_then_buys_no_time(start: Start) -> None:
    server = start(Limits(wait_seconds=1))
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        started = time.monotonic()
        with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012 - whichever send comes too late
            while time.monotonic() - started < 8:
                connection.sendall(b"X: y\r\n")
                time.sleep(0.2)
        assert time.monotonic() - started < 4


def test_the_default_is_ten_seconds() -> None:
    assert Limits().wait_seconds == 10


def test_a_second_request_that_never_ends_is_cut_as_well(start: Start) -> None:
    server = start(Limits(wait_seconds=1, keep_alive_seconds=30))
    with connect(server) as connection:
        scrape(connection)
        connection.sendall(b"GET /metr")
        assert 0.5 < until_closed(connection) < 3


def test_a_quiet_connection_is_kept_as_long_as_told(start: Start) -> None:
    server = start(Limits(keep_alive_seconds=1))
    with connect(server) as connection:
        for _ in range(3):
            scrape(connection)
            time.sleep(0.5)
        assert until_closed(connection) < 2


def test_who_does_not_take_the_answer_is_cut(start: Start) -> None:
    server = start(Limits(answer_seconds=1, concurrent=1), body=b"x" * 50_000_000)
    with connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
        assert httpx.get(f"{server.url}/metrics", trust_env=False).status_code == 503
        time.sleep(2)
        # The only place is free again, though this client still holds its end.
        assert len(httpx.get(f"{server.url}/metrics", timeout=10, trust_env=False).content) == 50_000_000


def test_a_slow_answer_is_no_idle_connection(start: Start) -> None:
    server = start(Limits(wait_seconds=0.5), hold=lambda: time.sleep(2))
    assert httpx.get(f"{server.url}/metrics", timeout=10, trust_env=False).text == "up 1\n"


def test_a_full_room_makes_way_for_a_probe(start: Start) -> None:
    server = start(Limits(connections=16))
    crowd = [connect(server) for _ in range(100)]
    try:
        assert all(healthy(server) for _ in range(20))
        time.sleep(0.6)
        assert sum(map(is_open, crowd[-16:])) >= 14
        assert not any(map(is_open, crowd[:20]))
        assert len(server._door) <= 16
    finally:
        for connection in crowd:
            connection.close()


def test_the_address_that_holds_the_most_gives_way(start: Start) -> None:
    server = start(Limits(connections=16))
    first = connect(server, "127.0.0.9")
    time.sleep(0.05)
    crowd = [connect(server) for _ in range(100)]
    try:
        assert healthy(server)
        assert is_open(first)  # the oldest of all, but of an address that takes no more than one place
    finally:
        for connection in (first, *crowd):
            connection.close()


def test_what_is_in_work_is_never_cut_for_a_newcomer(start: Start) -> None:
    release = threading.Event()
    server = start(Limits(connections=4, concurrent=4), hold=lambda: release.wait(10))
    answers: list[int] = []

    def wait() -> None:
        answers.append(httpx.get(f"{server.url}/metrics", timeout=20, trust_env=False).status_code)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    crowd = [connect(server) for _ in range(50)]
    try:
        assert healthy(server)
    finally:
        release.set()
        for thread in threads:
            thread.join()
        for connection in crowd:
            connection.close()
    assert answers == [200] * 3


def test_closed_connections_are_forgotten(start: Start) -> None:
    server = start(Limits())
    for _ in range(50):
        assert healthy(server)
    time.sleep(1.2)
    assert len(server._door) == 0


def test_no_descriptor_is_left_behind(start: Start) -> None:
    server = start(Limits(connections=32, wait_seconds=1))
    healthy(server)
    before = descriptors()
    for _ in range(10):
        for connection in [connect(server) for _ in range(60)]:
            connection.close()
    time.sleep(2)
    assert descriptors() <= before + 2
