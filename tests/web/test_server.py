from __future__ import annotations

import signal
import socket
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from monitor.errors import EdgeError
from monitor.web import create_app, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp


def app(metrics: Callable[[str], tuple[bytes, str]] = lambda _: (b"up 1\n", "text/plain")) -> ASGIApp:
    return create_app(
        metrics=metrics,
        alive=lambda: None,
        ready=lambda: None,
        status=lambda: {"version": "0", "at": None, "config_ok": True, "collections": []},
    )


def get(url: str, timeout: float = 5.0) -> httpx.Response:
    return httpx.get(url, timeout=timeout, trust_env=False)


def test_port_zero_takes_a_free_port_and_tells_it() -> None:
    first, second = serve(app(), "127.0.0.1", 0), serve(app(), "127.0.0.1", 0)
    try:
        assert first.port != second.port
        assert get(f"{first.url}/metrics").text == get(f"{second.url}/metrics").text == "up 1\n"
    finally:
        first.stop()
        second.stop()


def test_a_taken_port_says_what_and_how_to_mend() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EdgeError, match=f"port {port} on 127.0.0.1 is in use: set web.listen"):
            serve(app(), "127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("no-such-host.invalid", 0, "cannot be resolved"),
        ("192.0.2.1", 0, "is no address of this machine"),
        ("127.0.0.1", 70000, "is not between 0 and 65535"),
    ],
)
def test_an_impossible_address_is_refused_with_the_mend(host: str, port: int, reason: str) -> None:
    with pytest.raises(EdgeError, match=f"{reason}.*set web.listen"):
        serve(app(), host, port)


def test_stop_frees_the_port_ends_the_thread_and_may_be_repeated() -> None:
    before = set(threading.enumerate())  # other tests' servers may still run
    server = serve(app(), "127.0.0.1", 0)
    get(f"{server.url}/metrics")
    server.stop()
    server.stop()
    assert not [t for t in set(threading.enumerate()) - before if t.name == "driftmon-web"]
    with pytest.raises(httpx.ConnectError):
        get(f"{server.url}/metrics")
    again = serve(app(), "127.0.0.1", server.port)
    again.stop()


def test_stop_waits_for_a_running_scrape_and_not_for_an_idle_connection() -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(_: str) -> tuple[bytes, str]:
        entered.set()
        release.wait(10)
        return b"late 1\n", "text/plain"

    server = serve(app(slow), "127.0.0.1", 0)
    answers: list[str] = []
    with socket.create_connection((server.host, server.port)):  # connected, and never asks
        scrape = threading.Thread(target=lambda: answers.append(get(f"{server.url}/metrics", 10).text))
        scrape.start()
        assert entered.wait(5)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        release.set()
        stopper.join(5)
        scrape.join(5)
    assert not stopper.is_alive()
    assert answers == ["late 1\n"]


def test_signal_handlers_stay_the_daemons() -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    server = serve(app(), "127.0.0.1", 0)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    server.stop()
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_is_served_and_written_with_brackets() -> None:
    try:
        server = serve(app(), "::1", 0)
    except EdgeError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    try:
        assert server.url == f"http://[::1]:{server.port}"
        assert get(f"{server.url}/-/ready").text == "ok\n"
    finally:
        server.stop()


def test_garbage_on_the_wire_does_not_end_the_server() -> None:
    server = serve(app(), "127.0.0.1", 0)
    try:
        for garbage in (b"\x16\x03\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 100_000):
            with socket.create_connection((server.host, server.port)) as connection:
                connection.sendall(garbage)
        assert get(f"{server.url}/metrics").text == "up 1\n"
    finally:
        server.stop()
