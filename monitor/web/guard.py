"""Who may ask, how much and how often: what a request passes before any route sees it."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from starlette.responses import PlainTextResponse

from monitor.web.limits import Buckets, Limits, network
from monitor.web.tokens import TokenFile

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger("driftmon")

PROBES = frozenset({"/-/healthy", "/-/ready"})
"""Asked by kubelets and load balancers, which know no token and must get an answer in any weather."""
METHODS = ("GET", "HEAD")
CHALLENGES = ('Bearer realm="driftmon"', 'Basic realm="driftmon", charset="UTF-8"')
TELL_EVERY = 60.0
"""Seconds between two log lines about the same kind of refusal: who floods the server must not flood the log."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not let through: status, a word for counting, a sentence, and headers."""

    status: int
    reason: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()


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
    refused: Counter[str] = field(default_factory=Counter, init=False)
    """How many requests were refused, by reason."""
    _rates: Buckets = field(init=False, repr=False)
    _wrong: Buckets = field(init=False, repr=False)
    _in_work: Counter[str] = field(default_factory=Counter, init=False, repr=False)
    """Requests in work: each probe's, and under "" all others."""
    _told: dict[str, tuple[float, int]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        most, wrong = self.limits.addresses, self.limits.wrong_tokens_per_second
        self._rates = Buckets(self.limits.requests_per_second, self.limits.burst, most, self.clock)
        self._wrong = Buckets(wrong, max(1.0, wrong), most, self.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the application answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        probe = scope["path"] in PROBES
        refusal = self._judge(scope, probe=probe)
        if refusal is not None:
            self._tell(refusal, scope)
            answer = PlainTextResponse(f"{refusal.text}\n", refusal.status)
            for name, value in refusal.headers:
                answer.headers.append(name, value)
            await answer(scope, receive, send)
            return
        place = scope["path"] if probe else ""
        self._in_work[place] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._in_work[place] -= 1

    def _judge(self, scope: Scope, *, probe: bool) -> Refusal | None:
        """Return why a request is refused; what costs the least is looked at first."""
        address = network(scope["client"][0]) if scope["client"] else ""
        refusal = self._size(scope) or (None if probe else self._rate(address)) or self._form(scope)
        if refusal is None and not probe and self.token is not None:
            refusal = self._stranger(scope, address, self.token)
        if refusal is None and self._in_work[scope["path"] if probe else ""] >= self.limits.concurrent:
            text = "too many requests are in work; try again in a second"
            return Refusal(503, "concurrency", text, (("Retry-After", "1"),))
        return refusal

    def _size(self, scope: Scope) -> Refusal | None:
        # The HTTP parser's own limit is for what has not ended: a long request that arrives in one piece passes it.
        url = len(scope["raw_path"]) + len(scope["query_string"])
        if url > self.limits.url_bytes:
            return _closing(414, "url", f"the URL is longer than {self.limits.url_bytes} bytes")
        if sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > self.limits.header_bytes:
            return _closing(431, "headers", f"the headers are longer than {self.limits.header_bytes} bytes")
        return None

    def _rate(self, address: str) -> Refusal | None:
        wait = self._rates.take(address)
        return _later("rate", f"more than {self.limits.requests_per_second:g} requests a second", wait)

    def _form(self, scope: Scope) -> Refusal | None:
        # No body is ever read: the answer goes out at once, and the connection is closed over the rest.
        length = _values(scope, b"content-length")
        body = bool(_values(scope, b"transfer-encoding")) or any(value.strip("0") for value in length)
        if any(len(value) > 18 or int(value) > self.limits.body_bytes for value in length):
            return _closing(413, "body", f"the body is longer than {self.limits.body_bytes} bytes")
        if scope["method"] not in METHODS:
            closing = (("Connection", "close"),) if body else ()
            allow = ("Allow", ", ".join(METHODS))
            return Refusal(405, "method", "only GET and HEAD are answered", (allow, *closing))
        if body:
            return _closing(413, "body", f"{scope['method']} is asked without a body")
        return None

    def _stranger(self, scope: Scope, address: str, token: TokenFile) -> Refusal | None:
        """Refuse who does not come with the token; a file that cannot be used opens the door to nobody."""
        if token.problem is not None:
            # Where the file lies is for the log, not for strangers.
            text = "nobody can be let in: the server's token file cannot be used; its log says why"
            return Refusal(503, "token_file", text)
        given = _values(scope, b"authorization")
        if given and (brake := _later("brake", "too many wrong tokens", self._wrong.wait(address))):
            return brake  # before any comparison: a right guess tells nothing while the brake is on
        if len(given) == 1 and token.admits(given[0]):
            return None
        challenges = tuple(("WWW-Authenticate", challenge) for challenge in CHALLENGES)
        if not given:  # as every browser comes first
            return Refusal(401, "no_token", "a token is needed: Authorization: Bearer TOKEN", challenges)
        self._wrong.take(address)
        return Refusal(401, "wrong_token", "the token is wrong", challenges)

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


def _closing(status: int, reason: str, text: str) -> Refusal:
    return Refusal(status, reason, text, (("Connection", "close"),))


def _later(reason: str, text: str, wait: float) -> Refusal | None:
    if wait <= 0:
        return None
    seconds = math.ceil(wait)
    told = f"{text} from this address; try again in {seconds} s"
    return Refusal(429, reason, told, (("Retry-After", str(seconds)),))


def _values(scope: Scope, name: bytes) -> Sequence[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
