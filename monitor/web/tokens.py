"""The bearer token: read from a file, followed when the file changes, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from monitor.errors import ConfigError

log = structlog.get_logger("driftmon")

SHORTEST = 16
"""Characters; a shorter token can be guessed."""
LOOK_EVERY = 1.0
"""Seconds between two looks at the file."""
_LONGEST_FILE = 65_536
_MEND = "write a random token into it, such as the output of `openssl rand -hex 32`"


class _ShortTokenError(ValueError):
    """A token that can be guessed: refused at start, and never taken up later."""


@dataclass(slots=True)
class TokenFile:
    """The tokens of a file, one a line: two of them while one replaces the other.

    The file is looked at again at most once a second, so that a new token needs no restart. A file that cannot be
    used lets nobody in: `problem` says why. Raises `ConfigError` where a token is too short when the process starts.
    """

    path: Path
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _digests: tuple[bytes, ...] = field(default=(), init=False, repr=False)
    _problem: str | None = field(default=None, init=False, repr=False)
    _seen: tuple[int, ...] | None = field(default=None, init=False, repr=False)
    _looked: float = field(default=-LOOK_EVERY, init=False, repr=False)

    def __post_init__(self) -> None:
        self._looked = self.clock()
        try:
            self._take()
        except _ShortTokenError as error:
            raise ConfigError(f"web.token_file: {error}") from None
        if self._problem is not None:
            self._warn()

    @property
    def problem(self) -> str | None:
        """Why nobody can be let in now, or None."""
        self._look()
        return self._problem

    def admits(self, authorization: str) -> bool:
        """Return whether an ``Authorization`` header (Bearer, or Basic with the token as password) is right."""
        self._look()
        presented = _presented(authorization)
        digest = hashlib.sha256(presented or b"").digest()
        # Every token is compared, so that the time tells neither which one it is nor how much of it is right.
        right = [hmac.compare_digest(digest, known) for known in self._digests]
        return presented is not None and any(right)

    def session_keys(self) -> tuple[bytes, ...]:
        """Return a key for each token that holds now; what it signs falls with the token."""
        self._look()
        return tuple(_session_key(digest) for digest in self._digests)

    def session_key(self, token: str) -> bytes | None:
        """Return the key of the token that somebody shows, or None where it is wrong."""
        self._look()
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        right = [hmac.compare_digest(digest, known) for known in self._digests]
        return _session_key(digest) if any(right) else None

    def _look(self) -> None:
        now = self.clock()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        # A file in trouble is tried every time: what ails a disk need not change the file's times.
        if self._problem is not None or _identity(self.path) != self._seen:
            before = self._problem
            try:
                self._take()
            except _ShortTokenError as error:
                self._refuse(str(error))
            if self._problem is None:
                log.info("web token read anew", file=str(self.path), tokens=len(self._digests))
            elif self._problem != before:
                self._warn()

    def _take(self) -> None:
        try:
            with self.path.open("rb") as file:
                self._seen = _of(os.fstat(file.fileno()))
                content = file.read(_LONGEST_FILE + 1)
        except OSError as error:
            self._refuse(
                f"token file {self.path} cannot be read ({error.strerror}); mount it, readable for this user"
            )
            return
        try:
            tokens = _parse(content, self.path)
        except _ShortTokenError:
            raise
        except ValueError as error:
            self._refuse(str(error))
        else:
            self._digests = tuple(hashlib.sha256(token).digest() for token in tokens)
            self._problem = None

    def _warn(self) -> None:
        log.warning("web token unusable, everybody is refused", reason=self._problem)

    def _refuse(self, problem: str) -> None:
        self._digests, self._problem = (), problem


def _parse(content: bytes, path: Path) -> list[bytes]:
    if len(content) > _LONGEST_FILE:
        raise ValueError(f"token file {path} is longer than {_LONGEST_FILE} bytes; {_MEND}")
    tokens = [line.strip() for line in content.splitlines() if line.strip()]
    if not tokens:
        raise ValueError(f"token file {path} is empty; {_MEND}")
    if any(not 0x21 <= byte <= 0x7E for token in tokens for byte in token):
        raise ValueError(f"token file {path} has spaces or characters beyond ASCII in a token; {_MEND}")
    if any(len(token) < SHORTEST for token in tokens):
        raise _ShortTokenError(f"token file {path} has a token of fewer than {SHORTEST} characters; {_MEND}")
    return tokens


def _presented(authorization: str) -> bytes | None:
    """Return the token that a header carries, or None where it carries none."""
    scheme, _, value = authorization.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value.encode("utf-8", "replace") or None
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, password = base64.b64decode(value, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return password if colon else None


def _session_key(digest: bytes) -> bytes:
    return hmac.digest(digest, b"driftmon session", "sha256")


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what changes when the file is written, replaced, or its symbolic link turned elsewhere."""
    try:
        return _of(path.stat())
    except OSError:
        return None


def _of(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
