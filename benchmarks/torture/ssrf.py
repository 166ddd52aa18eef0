"""URLs that would turn the daemon against its own network: every one refused, no connection made."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from benchmarks.torture.report import figure, main
from monitor.errors import DriftmonError
from monitor.outbound import Outbound

SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "127.0.0.1.",
    "0",
    "0.0.0.0",  # noqa: S104 nothing is bound here
    "localhost",
    "localhost.",
    "LOCALHOST",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[fc00::1]",
    "[ff02::1]",
    "[fec0::1]",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
]
TRICKS = (
    "https://user@127.0.0.1:{port}/",
    "https://example.com@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\\@example.com/",
    "https://example.com\\@127.0.0.1:{port}/",
    "https:/\\127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "ftp://127.0.0.1:{port}/",
    "dict://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "jar:https://127.0.0.1:{port}!/",
    "https://127.0.0.1:{port}#@example.com/",
    "https://127.0.0.1:{port}?@example.com/",
    "https://[::1]:{port}",
    " https://127.0.0.1:{port}/",
    "https://127.0.0.1\t:{port}/",
)


def run(scale: float = 1.0) -> list[dict[str, Any]]:  # noqa: ARG001 the list is short and always tried whole
    """Return how many of them were refused, and how many connections a listener saw."""
    with _listener() as (port, seen):
        urls = [f"{scheme}://{host}:{port}/" for host in SPELLINGS for scheme in ("https", "http")]
        urls += [trick.format(port=port) for trick in TRICKS]
        refused = sum(_is_refused(Outbound(timeout=2), url) for url in urls)
        # A name that was harmless when it was looked at and leads home when it is connected to, and the like.
        liars: list[Callable[[], list[str]]] = [
            lambda: ["127.0.0.1"],
            lambda: ["93.184.216.34", "127.0.0.1"],
            lambda: ["::ffff:127.0.0.1"],
            lambda: ["::1"],
        ]
        lied = sum(
            _is_refused(
                Outbound(timeout=2, resolve=lambda *_, each=each: each()), f"https://rebind.example:{port}/"
            )
            for each in liars
        )
        flips = iter([["192.0.2.7"], ["127.0.0.1"], ["127.0.0.1"]])
        lied += _is_refused(
            Outbound(timeout=2, resolve=lambda *_: next(flips)), f"https://rebind.example:{port}/"
        )
        connections = len(seen)
        with _redirecting(port) as elsewhere:
            followed = 1 - _is_refused(
                Outbound(allow_private=("localhost",), timeout=2), f"http://localhost:{elsewhere}/"
            )
        connections += len(seen) - connections
    return [
        figure("URLs that lead inside, spelled in every way", len(urls), "URLs"),
        figure("… not refused", len(urls) - refused, "URLs", 0),
        figure("names that lie about their address, DNS rebinding among them", len(liars) + 1, "names"),
        figure("… not refused", len(liars) + 1 - lied, "names", 0),
        figure("redirects to the inside that were followed", followed, "redirects", 0),
        figure("connections that a listener inside saw", connections, "connections", 0),
    ]


def _is_refused(outbound: Outbound, url: str) -> bool:
    try:
        outbound.request("GET", url)
    except DriftmonError:
        return True
    return False


@contextmanager
def _listener() -> Iterator[tuple[int, list[socket.socket]]]:
    """Yield the port of a listener on every loopback address, and who has connected to it."""
    seen: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as four:
        port = int(four.getsockname()[1])
        listeners = [four]
        if socket.has_ipv6:
            with suppress(OSError):  # a machine without IPv6 has one way less to be reached
                listeners.append(socket.create_server(("::1", port), family=socket.AF_INET6))
        for each in listeners:
            threading.Thread(target=_accept, args=(each, seen), daemon=True).start()
        yield port, seen
        for each in listeners:
            each.close()
    for client in seen:
        client.close()


def _accept(listener: socket.socket, seen: list[socket.socket]) -> None:
    while True:
        try:
            seen.append(listener.accept()[0])
        except OSError:
            return


@contextmanager
def _redirecting(port: int) -> Iterator[int]:
    """Yield the port of a server that sends everybody to another one."""
    answer = (
        f"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:{port}/latest/meta-data/\r\nContent-Length: 0\r\n\r\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                client, _ = server.accept()
                client.recv(65536)
                client.sendall(answer.encode())
                client.close()
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield int(server.getsockname()[1])


if __name__ == "__main__":
    main("torture-ssrf", run)
