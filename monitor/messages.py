"""What is told to people: a message, and what became of it at the far side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from monitor.records import Event, Severity

MessageKind = Literal["opened", "updated", "acknowledged", "resolved", "test"]
Result = Literal["delivered", "dead", "silenced", "superseded", "retried"]
"""What is counted of deliveries; one may be silenced or retried before it ends."""
FactKind = Literal["opened", "updated", "acknowledged", "resolved"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One claimed delivery: a fact on its way to one notifier.

    ``attempts`` is the fence: whoever claims it anew raises it. ``kind`` is what the receiver is to hear, which need
    not be the fact's own: the first that a receiver hears of an incident is its opening.
    """

    id: int
    notifier: str
    kind: FactKind
    key: str
    payload: Mapping[str, Any] = field(repr=False)
    attempts: int
    first_attempt_at: datetime
    in_doubt: bool = False
    """Whether an earlier attempt may have reached the receiver."""
    first: bool = True
    """Whether the receiver has heard nothing yet under this key."""
    openings: int = 1
    """How often the incident has opened under this key in the last day."""
    events: tuple[Event, ...] = ()
    """What was done to the collection lately, newest first."""
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True)
class Deciding:
    """A reading that decided: its stream, its value, and what that is held against."""

    stream: str
    sentence: str
    value: float
    threshold: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What one notifier is to say, complete in itself; it holds no text, id or vector of any log.

    ``key`` is the same from the opening to the resolution, also over repetitions: a receiver that keeps one incident
    per key has one. ``number`` is the same over repetitions of this very message alone.
    """

    key: str
    number: str
    kind: MessageKind
    incident: int
    collection: str
    severity: Severity
    cause: str
    confidence: float
    title: str
    meaning: str
    next_step: str
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None = None
    readings: tuple[Deciding, ...] = ()
    events: tuple[str, ...] = ()
    runbook: str = ""
    page: str = ""
    note: str = ""
    first: bool = True


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an attempt: delivered, to be tried again, or refused for good.

    ``in_doubt`` marks a failure after which the receiver may have the message all the same. ``reason`` is safe to show.
    """

    result: Literal["delivered", "retry", "refused"]
    reason: str = ""
    retry_after: float | None = None
    in_doubt: bool = False


DELIVERED = Receipt("delivered")
