"""One HTTP request to a configured place: checked before, while and after it is made."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

import certifi
import httpcore

from monitor.errors import ConfigError, EdgeError, EdgeTimeoutError, UnsentError
from monitor.outbound.network import CheckedNetwork, Resolve, resolve

_NAME = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
)
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")
_DOTTED = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")
_HEADERS = ("retry-after", "content-type")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the few headers that anyone asks for, the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outbound:
    """What may be asked over HTTP, and how long and large an answer may be.

    Attributes
    ----------
    allow_hosts : tuple of str
        Hosts that may be asked; any public one if empty.
    allow_private : tuple of str
        Hosts that may have private addresses and plain ``http``, by their very names.
    timeout : float
        Seconds for all of it: resolving, connecting, sending, waiting, receiving.
    max_bytes : int
        Size of an answer, at most.
    """

    allow_hosts: tuple[str, ...] = ()
    allow_private: tuple[str, ...] = ()
    timeout: float = 20.0
    max_bytes: int = 16 * 1024 * 1024
    resolve: Resolve = field(default=resolve, repr=False)

    def check(self, url: str) -> SplitResult:
        """Return the parts of a URL that may be asked; raises `ConfigError`, which does not repeat it."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").removesuffix("."), parts.port
        except ValueError:
            raise ConfigError("the URL cannot be read; write https://host/path") from None
        if parts.username is not None or parts.password is not None:
            raise ConfigError("the URL holds a user or password; put the secret into its own setting")
        if not url.isascii() or any(c.isspace() or ord(c) < 32 or c == "\\" for c in url):
            raise ConfigError("the URL holds characters that do not belong there; percent-encode them")
        private = host in _lower(self.allow_private)
        if parts.scheme != "https" and not (parts.scheme == "http" and private):
            mend = " or name the host in allow_private" if parts.scheme == "http" else ""
            raise ConfigError(f"{parts.scheme or 'no'} scheme is not allowed for {host!r}; use https{mend}")
        if not _is_host(host):
            raise ConfigError(f"{host!r} is no host name or plain address; write it out")
        if port == 0:
            raise ConfigError("port 0 is no port")
        if self.allow_hosts and host not in _lower(self.allow_hosts) and not private:
            raise ConfigError(
                f"{host!r} is not among the allowed hosts; add it to allow_hosts if it is meant"
            )
        return parts

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: Any = None
    ) -> Answer:
        """Ask, and return the whole answer; ``content`` is sent as JSON, bytes as they are.

        Raises
        ------
        EdgeTimeoutError
            When it did not end in time, however slowly something kept coming.
        UnsentError
            When the host may not be asked or cannot be reached: it has received nothing.
        EdgeError
            When it breaks off, redirects, or answers more than ``max_bytes``.
        """
        parts = self.check(url)
        host = parts.hostname or ""
        body = content if content is None or isinstance(content, bytes) else json.dumps(content).encode()
        sent = {
            "Host": parts.netloc,
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # nothing to unpack: an answer is as large as it looks
            "User-Agent": "driftmon",
            **({} if body is None else {"Content-Type": "application/json"}),
            **(headers or {}),
        }
        until = time.monotonic() + self.timeout
        network = CheckedNetwork(frozenset(_lower(self.allow_private)), until, self.resolve)
        try:
            with httpcore.ConnectionPool(
                ssl_context=_tls(), network_backend=network, max_connections=1
            ) as pool:
                return self._exchange(pool, method, url, sent, body)
        except httpcore.ConnectError as error:
            reason = str(error) or type(error).__name__
            raise UnsentError(
                f"{host}: cannot be asked ({reason}); check that it is up and reachable"
            ) from None
        except httpcore.TimeoutException:
            raise EdgeTimeoutError(
                f"{host}: no whole answer within {self.timeout:g} s; raise timeout or look why it is slow"
            ) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise EdgeError(
                f"{host}: cannot be asked ({reason}); check that it is up and reachable"
            ) from None

    def reach(self, url: str) -> str:
        """Connect, with TLS where the URL asks for it, send nothing, and return the host; raises `EdgeError`."""
        parts = self.check(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        network = CheckedNetwork(
            frozenset(_lower(self.allow_private)), time.monotonic() + self.timeout, self.resolve
        )
        try:
            stream = network.connect_tcp(host, parts.port or (443 if secure else 80), self.timeout)
            try:
                if secure:
                    stream = stream.start_tls(_tls(), host, self.timeout)
            finally:
                stream.close()
        except httpcore.TimeoutException:
            raise EdgeTimeoutError(f"{host}: no connection within {self.timeout:g} s") from None
        except (httpcore.NetworkError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise UnsentError(
                f"{host}: cannot be reached ({reason}); check that it is up and reachable"
            ) from None
        return host

    def _exchange(
        self,
        pool: httpcore.ConnectionPool,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Answer:
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self.timeout)
        with pool.stream(
            method, url, headers=list(headers.items()), content=body, extensions={"timeout": timeouts}
        ) as response:
            host = urlsplit(url).hostname
            given = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
            }
            if 300 <= response.status < 400:
                raise EdgeError(
                    f"{host}: redirects, which is not followed; configure the address it leads to"
                )
            if given.get("content-encoding", "identity") != "identity":
                raise EdgeError(f"{host}: packs its answer though it was asked not to; switch that off")
            received = bytearray()
            for chunk in response.iter_stream():
                received += chunk
                if len(received) > self.max_bytes:
                    raise EdgeError(
                        f"{host}: answers more than {self.max_bytes} bytes; ask for less at once or raise max_bytes"
                    )
            kept = {name: given[name] for name in _HEADERS if name in given}
            return Answer(response.status, kept, bytes(received))


@cache
def _tls() -> ssl.SSLContext:
    # The system's authorities, which know a company's own, and Mozilla's, which a small image may lack.
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower().removesuffix(".") for name in names)


def _is_host(host: str) -> bool:
    """Tell whether a host is a name, a dotted IPv4 or an IPv6 address; ``0x7f.1`` and ``2130706433`` are none."""
    if ":" in host:
        return "%" not in host
    last = host.rpartition(".")[2]
    if _NUMBER.match(last):  # then a resolver takes it for an address, and there is one way to write that
        return _DOTTED.fullmatch(host) is not None
    return _NAME.fullmatch(host) is not None
