"""What a driver or a server says of a database URL is shown without its user, its password and its options."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Protocol
from urllib.parse import quote, quote_plus

_PLACES = frozenset({"host", "hostaddr", "port"})
_SECRET_WORDS = ("pass", "secret", "token", "key")
_SHORT = 6
"""A shorter option is no secret: to hide every 5 and every "on" would only make a message unreadable."""
_WORDS = frozenset(
    (
        *("disable", "allow", "prefer", "require", "verify-ca", "verify-full", "system", "scram-sha-256"),
        *("read-write", "read-only", "primary", "standby", "prefer-standby"),
        *("driftmon", "postgres", "postgresql"),
    )
)
"""Users and options that are no secret, whoever writes them."""
_NO_HOST = re.compile(r"[^\w.\-:%\[\],*]")


class Address(Protocol):
    """A parsed URL, as SQLAlchemy has it."""

    @property
    def drivername(self) -> str:
        """Engine and driver."""

    @property
    def username(self) -> str | None:
        """The user."""

    @property
    def password(self) -> object | None:
        """The password."""

    @property
    def host(self) -> str | None:
        """The host."""

    @property
    def database(self) -> str | None:
        """The database's name."""

    @property
    def query(self) -> Mapping[str, str | tuple[str, ...]]:
        """The options."""


def hide(text: str, url: Address) -> str:
    """Return ``text`` with the user, the password and the options of ``url`` replaced, however they are spelled."""
    spelled = {form for secret in _secrets(url) for form in _forms(secret)}
    for form in sorted(spelled, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def check_host(url: Address) -> None:
    """Raise ValueError where a sign of the password ended it early: its rest would pass for a host, and be told."""
    if url.drivername.startswith("sqlite"):
        if url.host or url.username or url.password:
            raise ValueError("url: SQLite has no user and no host; write sqlite:///log.db")
        return
    if _NO_HOST.search(url.host or "") or "@" in (url.database or ""):
        raise ValueError(
            "url: a sign in the user's name or the password wants encoding: %40 for @, %2F for /, %3A for :, "
            "%23 for #, %3F for ?, %25 for %"
        )


def _secrets(url: Address) -> Iterator[str]:
    if url.password:
        yield str(url.password)
    if url.username and url.username not in _WORDS and len(url.username) >= _SHORT:
        yield url.username
    for name, value in url.query.items():
        named = any(word in name.lower() for word in _SECRET_WORDS)
        for each in (value,) if isinstance(value, str) else value:
            if each and name not in _PLACES and (named or (len(each) >= _SHORT and each not in _WORDS)):
                yield each


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (json.dumps(text)[1:-1] for text in (secret, repr(secret)[1:-1]))
    yield from (repr(secret)[1:-1], ascii(secret)[1:-1], repr(secret.encode("utf-8", "replace"))[2:-1])
