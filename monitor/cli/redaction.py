"""What may stand in a log: no known secret, no password of a URL, nothing that is not plain data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
LONGEST = 10_000
"""Characters of one value that are shown."""
DEEPEST = 12
"""Levels of a nested value that are shown."""
SHORTEST = 4
"""Characters; hiding every "db" in a log would only make it unreadable."""
_RUN = re.compile(r"""[^\s"'<>]*://[^\s"'<>]*""")
_USER = re.compile(r"://[^/:@]*:")
_SETTING = re.compile(r"""(?i)(?P<before>\b(?:password|passwd|pwd)\s*=\s*)(?:'[^']*'|"[^"]*"|[^\s,;&)]+)""")
_NAMES = ("password", "passwd", "secret", "token", "authorization", "api_key")


@dataclass(slots=True)
class Redaction:
    """A structlog processor that turns every value into plain data and hides what is secret in it."""

    _forms: set[str] = field(default_factory=set, repr=False)
    _known: re.Pattern[str] | None = field(default=None, repr=False)

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these values, and the passwords of those that are URLs, from now on."""
        for secret in secrets:
            for value in (secret, *_passwords(secret)):
                self._forms.update(form for form in _spellings(value) if len(form.strip()) >= SHORTEST)
        # The longest first, or the rest of a secret that begins with another would stay.
        ordered = sorted(self._forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, value: str) -> str:
        """Return a text without secrets, cut to `LONGEST`."""
        value = value[: 2 * LONGEST]  # before the search, so that no length makes it slow
        if self._known is not None:
            value = self._known.sub(HIDDEN, value)
        if "://" in value:
            value = _RUN.sub(_hide_password, value)
        if "=" in value:
            value = _SETTING.sub(rf"\g<before>{HIDDEN}", value)
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}… (cut)"

    def plain(self, value: Any, depth: int = 0) -> Any:
        """Return a value as JSON knows it, without secrets; what is nested too deep is only named."""
        if value is None or isinstance(value, bool | int | float):
            return _number(value)
        if depth >= DEEPEST and isinstance(value, Mapping | list | tuple | set | frozenset):
            return f"<{type(value).__name__}>"
        if isinstance(value, Mapping):
            return {self.text(_say(k)): self._named(k, v, depth + 1) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.plain(item, depth + 1) for item in value]
        return self.text(_say(value))

    def __call__(self, _: Any, __: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the event as plain data without secrets."""
        return {self.text(_say(key)): self._named(key, value, 1) for key, value in event.items()}

    def _named(self, name: Any, value: Any, depth: int) -> Any:
        hidden = isinstance(name, str) and name.lower().endswith(_NAMES)
        return HIDDEN if hidden and isinstance(value, str | bytes) and value else self.plain(value, depth)


def redact(secrets: Iterable[str]) -> Redaction:
    """Return the processor that hides these secrets, and the password of every URL, in whatever is logged."""
    redaction = Redaction()
    redaction.learn(secrets)
    return redaction


def _hide_password(found: re.Match[str]) -> str:
    """Hide from the user's colon up to the last @: a password may hold one that its owner forgot to quote.

    Two plain searches: one pattern for all of it would take a time that grows with the square of the length.
    """
    run = found[0]
    end = run.rfind("@")
    user = _USER.search(run, 0, max(end, 0))
    return run if user is None else f"{run[: user.end()]}{HIDDEN}{run[end:]}"


def _passwords(secret: str) -> tuple[str, ...]:
    try:
        password = urlsplit(secret).password if "://" in secret else None
    except ValueError:
        return ()
    return (password, unquote(password)) if password else ()


def _spellings(value: str) -> set[str]:
    """Return how a value may be written inside an error: as it is, quoted for a URL, or with escapes."""
    return {
        value,
        value.strip(),
        quote(value, safe="", errors="replace"),  # an environment that is not UTF-8 has lone surrogates
        quote_plus(value, errors="replace"),
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
    }


def _number(value: Any) -> Any:
    """Return a number that every reader of JSON takes; bool and int are numbers here, and None is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(float(value))
    if isinstance(value, int) and value.bit_length() >= 1024:
        return hex(value)
    return value


def _say(value: Any) -> str:
    """Return a value's text; one that cannot be written must not take the whole event with it."""
    try:
        if isinstance(value, str):
            return str(value)
        if isinstance(value, date | timedelta):
            return value.isoformat() if isinstance(value, date) else str(value)
        return repr(value) if isinstance(value, bytes | BaseException) else str(value)
    except Exception:  # noqa: BLE001 - whatever a library's __str__ raises
        return f"<{type(value).__name__} that cannot be written>"
