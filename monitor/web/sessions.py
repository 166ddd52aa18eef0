"""Signed-in browsers: a cookie that the token signs, and a form token that only pages of ours carry.

Nothing is kept on the server: every replica that has the same token file knows the same sessions, and a token that is
taken out of the file ends the sessions that it opened.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

COOKIE = "driftmon_session"
LASTS = 12 * 3600
"""Seconds: a shift, and no cookie of last week on a machine that somebody else sits at."""
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that has shown the token: the name that its user gave, and what its forms must carry."""

    name: str
    csrf: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens sessions and knows them again; ``keys`` are those of the tokens that hold now."""

    keys: Callable[[], tuple[bytes, ...]] = field(repr=False)
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def open(self, key: bytes, name: str) -> str:
        """Return the cookie of a new session, signed with the key of the token that was shown."""
        shown = "".join(c for c in name if c.isprintable())[:LONGEST_NAME].strip()
        content = json.dumps([int(self.clock()), shown, secrets.token_hex(8)]).encode()
        payload = base64.urlsafe_b64encode(content).decode().rstrip("=")
        return f"{payload}.{_sign(key, 'session', payload)}"

    def find(self, cookie: str) -> Session | None:
        """Return the session that a cookie stands for; None where it is forged, too old, or of a token that is gone."""
        payload, dot, signature = cookie.partition(".")
        if not dot or len(cookie) > 1024 or not cookie.isascii():
            return None
        found = None
        for key in self.keys():  # all of them, so that the time does not tell which
            if hmac.compare_digest(_sign(key, "session", payload), signature):
                found = key
        if found is None:
            return None
        try:
            at, name, _ = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (binascii.Error, ValueError):
            return None
        if not 0 <= self.clock() - at <= LASTS:
            return None
        return Session(name, _sign(found, "form", payload))


def bake(cookie: str, *, secure: bool, lasts: int = LASTS) -> str:
    """Return the ``Set-Cookie`` header: no script reads it, and no other site's page sends it along."""
    parts = [f"{COOKIE}={cookie}", "Path=/", f"Max-Age={lasts}", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*parts, "Secure"] if secure else parts)


def cookie_of(header: str) -> str:
    """Return the session's cookie in a ``Cookie`` header, or ""."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _sign(key: bytes, purpose: str, payload: str) -> str:
    return hmac.digest(key, f"{purpose}:{payload}".encode(), "sha256").hex()
