"""Who comes in: with the token in a header, or with the cookie of a session that the token opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from monitor.web.limits import Buckets, Limits
from monitor.web.refusal import Refusal, header_values, later
from monitor.web.sessions import Session, Sessions, cookie_of
from monitor.web.tokens import TokenFile

if TYPE_CHECKING:
    from starlette.types import Scope

CHALLENGES = ('Bearer realm="driftmon"', 'Basic realm="driftmon", charset="UTF-8"')
_CHALLENGES = tuple(("WWW-Authenticate", challenge) for challenge in CHALLENGES)
OPEN_WRITES = (
    "writes are refused: this server asks for no token; set web.token_file, so that it knows who writes"
)
FOREIGN = "the form does not come from a page of this server, or its session has ended; open the page again"


@dataclass(slots=True)
class Entrance:
    """Tells who may come in. ``token`` None lets everybody read, and nobody write."""

    token: TokenFile | None
    limits: Limits
    clock: Callable[[], float] = field(repr=False)
    sessions: Sessions = field(init=False, repr=False)
    _wrong: Buckets = field(init=False, repr=False)

    def __post_init__(self) -> None:
        wrong = self.limits.wrong_tokens_per_second
        self._wrong = Buckets(wrong, max(1.0, wrong), self.limits.addresses, self.clock)
        token = self.token
        self.sessions = Sessions(tuple if token is None else token.session_keys)

    def refuse(self, scope: Scope, address: str) -> Refusal | None:
        """Return why a reader is a stranger; a file that cannot be used opens the door to nobody."""
        if self.token is None:
            return None
        if (trouble := self._trouble(self.token)) is not None:
            return trouble
        given = header_values(scope, b"authorization")
        if not given:  # as every browser comes first
            known = self.session(scope) is not None
            text = "a token is needed: Authorization: Bearer TOKEN"
            return None if known else Refusal(401, "no_token", text, _CHALLENGES)
        if brake := later("brake", "too many wrong tokens", self._wrong.wait(address)):
            return brake  # before any comparison: a right guess tells nothing while the brake is on
        if len(given) == 1 and self.token.admits(given[0]):
            return None
        self._wrong.take(address)
        return Refusal(401, "wrong_token", "the token is wrong", _CHALLENGES)

    def sign_in(self, scope: Scope, address: str, token: str, name: str) -> str | Refusal:
        """Return the cookie of a new session for who shows the token, or why there is none."""
        if self.token is None:
            return Refusal(403, "no_token_file", OPEN_WRITES)
        if (trouble := self._trouble(self.token)) is not None:
            return trouble
        if not same_origin(scope):
            return Refusal(403, "foreign_form", FOREIGN)
        if brake := later("brake", "too many wrong tokens", self._wrong.wait(address)):
            return brake
        key = self.token.session_key(token)
        if key is None:
            self._wrong.take(address)
            return Refusal(401, "wrong_token", "the token is wrong")
        return self.sessions.open(key, name)

    def session(self, scope: Scope) -> Session | None:
        """Return the session that a request belongs to, or None."""
        if self.token is None or self.token.problem is not None:
            return None
        cookies = [cookie for header in header_values(scope, b"cookie") if (cookie := cookie_of(header))]
        return self.sessions.find(cookies[0]) if len(cookies) == 1 else None

    def _trouble(self, token: TokenFile) -> Refusal | None:
        if token.problem is None:
            return None
        # Where the file lies is for the log, not for strangers.
        text = "nobody can be let in: the server's token file cannot be used; its log says why"
        return Refusal(503, "token_file", text)


def same_origin(scope: Scope) -> bool:
    """Tell whether a browser says that a request comes from a page of this server; a client that says nothing may."""
    site = header_values(scope, b"sec-fetch-site")
    if site and site not in (["same-origin"], ["none"]):
        return False
    origin = header_values(scope, b"origin")
    if not origin or origin == ["null"]:
        # `Referrer-Policy: no-referrer` makes browsers write null; then only Sec-Fetch-Site tells.
        return not origin or site == ["same-origin"]
    return [urlsplit(origin[0]).netloc.lower()] == [host.lower() for host in header_values(scope, b"host")]
