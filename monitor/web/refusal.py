"""A request that is not let through."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not let through: status, a word for counting, a sentence, and headers."""

    status: int
    reason: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()


def closing(status: int, reason: str, text: str) -> Refusal:
    """Return a refusal that ends the connection: what follows of the request is not read."""
    return Refusal(status, reason, text, (("Connection", "close"),))


def later(reason: str, text: str, wait: float) -> Refusal | None:
    """Return a refusal until ``wait`` seconds have passed, or None where there is nothing to wait for."""
    if wait <= 0:
        return None
    seconds = math.ceil(wait)
    told = f"{text} from this address; try again in {seconds} s"
    return Refusal(429, reason, told, (("Retry-After", str(seconds)),))


def header_values(scope: Scope, name: bytes) -> Sequence[str]:
    """Return every value that a request has of a header."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
