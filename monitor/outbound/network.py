"""A network that connects only to addresses it has looked at, and whose every wait ends by one moment."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from monitor.errors import UnsentError
from monitor.outbound.addresses import forbidden

Resolve = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedNetwork(httpcore.NetworkBackend):
    """Resolves a name once, looks at every address, and connects to one of those: there is no second lookup to lie.

    ``private`` are hosts that may lead anywhere; ``until`` is the moment by which everything must have ended.
    """

    def __init__(self, private: frozenset[str], until: float, resolve: Resolve = resolve) -> None:
        self._private = private
        self._until = until
        self._resolve = resolve
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that answers; raises `UnsentError` where one may not be reached."""
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name cannot be resolved") from error
        if host.lower().rstrip(".") not in self._private:
            for address in addresses:
                if (reason := forbidden(address)) is not None:
                    raise UnsentError(
                        f"{host}: leads to an address that is {reason}; if that is meant, name the host in "
                        "allow_private"
                    )
        problem: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                stream = self._backend.connect_tcp(
                    address, port, self._left(timeout), local_address, socket_options
                )
            except httpcore.ConnectError as error:
                problem = error
            else:
                return _Bounded(stream, self._left)
        raise problem

    def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 httpcore's signature
        timeout: float | None = None,  # noqa: ARG002 likewise
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 likewise
    ) -> httpcore.NetworkStream:
        """Refuse: no URL of ours names a socket's file."""
        raise UnsentError("a UNIX socket is no place to send anything to")

    def _left(self, timeout: float | None) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the whole time is up")
        return left if timeout is None else min(left, timeout)


class _Bounded(httpcore.NetworkStream):
    """A stream whose waits are cut to what is left, so that a server which drips cannot go on for ever."""

    def __init__(self, stream: httpcore.NetworkStream, left: Callable[[float | None], float]) -> None:
        self._stream = stream
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, self._left(timeout)), self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
