"""The guard against real sockets: what it refuses, and what a hostile server cannot do."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from monitor.errors import ConfigError, EdgeError, EdgeTimeoutError
from monitor.outbound import Outbound
from tests.outbound.conftest import Play, Server, answer

Start = Callable[[Play], Server]
LOCAL = Outbound(allow_private=("localhost", "127.0.0.1"), timeout=5)


def reply(raw: bytes) -> Play:
    return lambda client, _: client.sendall(raw)


def test_an_answer_comes_whole(start: Start) -> None:
    server = start(reply(answer(200, b'{"ok": 1}', "Content-Type: application/json", "Set-Cookie: a=b")))
    got = LOCAL.request("POST", server.url, {"Authorization": "Bearer s3cr3t"}, {"a": 1})
    assert (got.status, got.body) == (200, b'{"ok": 1}')
    assert got.headers == {"content-type": "application/json"}
    (request,) = server.requests
    assert request.startswith(b"POST /v1/embeddings HTTP/1.1\r\n")
    assert f"Host: localhost:{server.port}".encode() in request
    assert b"Accept-Encoding: identity" in request
    assert request.endswith(b'{"a": 1}')


def test_a_private_address_is_not_even_connected_to(start: Start) -> None:
    server = start(reply(answer(200, b"")))
    public = Outbound(timeout=5, resolve=lambda *_: ["127.0.0.1"])
    with pytest.raises(
        EdgeError, match=r"example\.com: leads to an address that is loopback .*allow_private"
    ):
        public.request("GET", f"https://example.com:{server.port}/")
    assert server.connections == 0


def test_one_bad_address_among_good_ones_is_enough(start: Start) -> None:
    public = Outbound(timeout=5, resolve=lambda *_: ["93.184.216.34", "::ffff:10.0.0.1"])
    with pytest.raises(EdgeError, match="private"):
        public.request("GET", "https://example.com/")


def test_a_name_is_looked_up_once(start: Start) -> None:
    answers = iter([["203.0.113.9"], ["127.0.0.1"]])
    lookups: list[str] = []

    def rebind(host: str, _: int) -> list[str]:
        lookups.append(host)
        return next(answers)

    server = start(reply(answer(200, b"")))
    with pytest.raises(EdgeError):
        Outbound(timeout=2, resolve=rebind).request("GET", f"https://rebind.example:{server.port}/")
    assert lookups == ["rebind.example"]
    assert server.connections == 0


def test_a_redirect_is_an_error_and_goes_nowhere(start: Start) -> None:
    target = start(reply(answer(200, b"")))
    server = start(reply(answer(302, b"", f"Location: http://127.0.0.1:{target.port}/latest/meta-data")))
    with pytest.raises(EdgeError, match="localhost: redirects, which is not followed"):
        LOCAL.request("GET", server.url)
    assert target.connections == 0


def test_a_server_that_drips_is_cut_off(start: Start) -> None:
    def drip(client: socket.socket, _: bytes) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _i in range(200):
            client.sendall(b"x")
            time.sleep(0.1)

    server = start(drip)
    began = time.monotonic()
    with pytest.raises(EdgeTimeoutError, match="no whole answer within 1 s"):
        Outbound(allow_private=("localhost",), timeout=1).request("GET", server.url)
    assert time.monotonic() - began < 4


def test_headers_that_drip_are_cut_off(start: Start) -> None:
    def drip(client: socket.socket, _: bytes) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 500:
            client.sendall(bytes([byte]))
            time.sleep(0.05)

    with pytest.raises(EdgeTimeoutError):
        Outbound(allow_private=("localhost",), timeout=1).request("GET", start(drip).url)


def test_silence_is_a_timeout(start: Start) -> None:
    server = start(lambda *_: time.sleep(3))
    with pytest.raises(EdgeTimeoutError):
        Outbound(allow_private=("localhost",), timeout=0.5).request("GET", server.url)


def test_an_answer_that_is_too_large_is_not_read_to_its_end(start: Start) -> None:
    server = start(reply(answer(200, b"x" * 3_000_000)))
    small = Outbound(allow_private=("localhost",), timeout=5, max_bytes=1_000_000)
    with pytest.raises(EdgeError, match="answers more than 1000000 bytes"):
        small.request("GET", server.url)


def test_what_is_packed_is_refused(start: Start) -> None:
    server = start(reply(answer(200, b"\x1f\x8b bomb", "Content-Encoding: gzip")))
    with pytest.raises(EdgeError, match="packs its answer"):
        LOCAL.request("GET", server.url)


def test_a_cut_connection_and_a_closed_port_are_told(start: Start) -> None:
    server = start(reply(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"))
    with pytest.raises(EdgeError, match="localhost: cannot be asked"):
        LOCAL.request("GET", server.url)
    url = server.url
    server.listener.close()
    with pytest.raises(EdgeError, match="check that it is up"):
        LOCAL.request("GET", url)


def test_the_environment_s_proxies_are_not_asked(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = start(reply(answer(200, b"proxied")))
    server = start(reply(answer(200, b"direct")))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
    assert LOCAL.request("GET", server.url).body == b"direct"
    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/", "'http' scheme|http scheme is not allowed"),
        ("ftp://example.com/", "ftp scheme is not allowed"),
        ("file:///etc/passwd", "file scheme"),
        ("gopher://example.com/", "gopher scheme"),
        ("//example.com/", "no scheme"),
        ("https://user:s3cr3t@example.com/", "user or password"),
        ("https://2130706433/", "no host name or plain address"),
        ("https://0x7f000001/", "no host name or plain address"),
        ("https://0177.0.0.1/", "no host name or plain address"),
        ("https://127.1/", "no host name or plain address"),
        ("https://[fe80::1%25eth0]/", "no host name|cannot be read"),
        ("https://exämple.com/", "characters that do not belong"),
        ("https://example.com/a b", "characters that do not belong"),
        ("https://example.com\\@evil.example/", "user or password|characters"),
        ("https://example.com:0/", "port 0"),
        ("https://example.com:99999/", "cannot be read"),
        ("https:///path", "no host name"),
        ("https://-bad-.example/", "no host name"),
    ],
)
def test_a_bad_url_is_refused_before_anything_happens(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        Outbound().check(url)
    assert "s3cr3t" not in str(error.value)


def test_an_allow_list_is_one() -> None:
    only = Outbound(allow_hosts=("api.openai.com",))
    assert only.check("https://API.openai.com./v1").hostname == "api.openai.com."
    with pytest.raises(ConfigError, match=r"'evil\.example' is not among the allowed hosts"):
        only.check("https://evil.example/")
