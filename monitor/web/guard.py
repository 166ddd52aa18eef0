"""Who may ask, how much and how often: what a request passes before any route sees it."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from starlette.responses import PlainTextResponse

from monitor.web.entrance import OPEN_WRITES, Entrance
from monitor.web.limits import Buckets, Limits, network
from monitor.web.refusal import Refusal, closing, header_values, later
from monitor.web.tokens import TokenFile

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger("driftmon")

PROBES = frozenset({"/-/healthy", "/-/ready"})
"""Asked by kubelets and load balancers, which know no token and must get an answer in any weather."""
METHODS = ("GET", "HEAD")
TELL_EVERY = 60.0
"""Seconds between two log lines about the same kind of refusal: who floods the server must not flood the log."""


def exposed(host: str, token_file: Path | None) -> str | None:
    """Return a sentence for the log where other machines can ask a server that asks for no token, or None."""
    if token_file is not None or _loopback(host):
        return None
    return (
        f"the web server listens on {host} and asks for no token: whoever reaches it reads every collection's name "
        "and state; set web.token_file, or web.listen to 127.0.0.1"
    )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


@dataclass(slots=True)
class Guard:
    """An ASGI application before the application: refuses, or passes on. Runs on one event loop."""

    app: ASGIApp
    token: TokenFile | None = None
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    writes: frozenset[str] = frozenset()
    """Paths that take a POST; each of them asks for itself who writes."""
    unlocked: frozenset[str] = frozenset()
    """Paths that are shown to strangers: what the form to sign in needs."""
    ask: Callable[[Scope], Response] | None = field(default=None, repr=False)
    """What a browser is shown that comes without a token; a bare refusal where there is no such page."""
    entrance: Entrance = field(init=False, repr=False)
    refused: Counter[str] = field(default_factory=Counter, init=False)
    """How many requests were refused, by reason."""
    _rates: Buckets = field(init=False, repr=False)
    _in_work: Counter[str] = field(default_factory=Counter, init=False, repr=False)
    """Requests in work: each probe's, and under "" all others."""
    _told: dict[str, tuple[float, int]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        most = self.limits.addresses
        self._rates = Buckets(self.limits.requests_per_second, self.limits.burst, most, self.clock)
        self.entrance = Entrance(self.token, self.limits, self.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the application answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        probe = scope["path"] in PROBES
        refusal = self._judge(scope, probe=probe)
        if refusal is not None:
            self._tell(refusal, scope)
            await self._answer(refusal, scope)(scope, receive, send)
            return
        scope["driftmon.entrance"] = self.entrance
        place = scope["path"] if probe else ""
        self._in_work[place] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._in_work[place] -= 1

    def _answer(self, refusal: Refusal, scope: Scope) -> Response:
        person = scope["method"] == "GET" and any("text/html" in a for a in header_values(scope, b"accept"))
        if refusal.reason == "no_token" and person and self.ask is not None:
            return self.ask(scope)
        answer = PlainTextResponse(f"{refusal.text}\n", refusal.status)
        for name, value in refusal.headers:
            answer.headers.append(name, value)
        return answer

    def _judge(self, scope: Scope, *, probe: bool) -> Refusal | None:
        """Return why a request is refused; what costs the least is looked at first."""
        address = network(scope["client"][0]) if scope["client"] else ""
        refusal = self._size(scope) or (None if probe else self._rate(address)) or self._form(scope)
        if refusal is None and not probe and scope["path"] not in self.unlocked:
            refusal = self.entrance.refuse(scope, address)
        if refusal is None and self._in_work[scope["path"] if probe else ""] >= self.limits.concurrent:
            text = "too many requests are in work; try again in a second"
            return Refusal(503, "concurrency", text, (("Retry-After", "1"),))
        return refusal

    def _size(self, scope: Scope) -> Refusal | None:
        # The HTTP parser's own limit is for what has not ended: a long request that arrives in one piece passes it.
        url = len(scope["raw_path"]) + len(scope["query_string"])
        if url > self.limits.url_bytes:
            return closing(414, "url", f"the URL is longer than {self.limits.url_bytes} bytes")
        if sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > self.limits.header_bytes:
            return closing(431, "headers", f"the headers are longer than {self.limits.header_bytes} bytes")
        return None

    def _rate(self, address: str) -> Refusal | None:
        wait = self._rates.take(address)
        return later("rate", f"more than {self.limits.requests_per_second:g} requests a second", wait)

    def _form(self, scope: Scope) -> Refusal | None:
        # A body that no path takes is never read: the answer goes out at once, the connection closes over the rest.
        length = header_values(scope, b"content-length")
        body = bool(header_values(scope, b"transfer-encoding")) or any(value.strip("0") for value in length)
        if any(len(value) > 18 or int(value) > self.limits.body_bytes for value in length):
            return closing(413, "body", f"the body is longer than {self.limits.body_bytes} bytes")
        if scope["method"] == "POST" and scope["path"] in self.writes:
            if not length:
                return closing(411, "body", "a body is sent with its Content-Length")
            return closing(403, "no_token_file", OPEN_WRITES) if self.token is None else None
        if scope["method"] not in METHODS:
            ending = (("Connection", "close"),) if body else ()
            allow = ("Allow", ", ".join(METHODS))
            return Refusal(405, "method", "only GET and HEAD are answered", (allow, *ending))
        if body:
            return closing(413, "body", f"{scope['method']} is asked without a body")
        return None

    def _tell(self, refusal: Refusal, scope: Scope) -> None:
        self.refused[refusal.reason] += 1
        count = self.refused[refusal.reason]
        if refusal.reason == "no_token":
            return
        now = self.clock()
        at, before = self._told.get(refusal.reason, (-math.inf, 0))
        if now - at >= TELL_EVERY:
            self._told[refusal.reason] = now, count
            client = scope["client"][0] if scope["client"] else None
            log.warning(
                "request refused",
                reason=refusal.reason,
                status=refusal.status,
                client=client,
                since_last=count - before,
            )
