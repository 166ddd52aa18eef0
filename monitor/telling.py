"""Who is told of what, and when: pure rules over what the store knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from monitor.messages import FactKind
from monitor.protocols import Notifier
from monitor.records import Event, Severity, Silence
from monitor.segments import parent_of

RECHECK = timedelta(seconds=30)
"""How long a silence may have ended before those who wait behind it notice: it may be ended early."""
RANK: dict[Severity, int] = {"none": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, slots=True)
class Route:
    """A notifier under its configured name, and what it is told of."""

    name: str
    notifier: Notifier
    severities: frozenset[str] = frozenset({"warning", "critical"})
    collections: frozenset[str] | None = None
    """The collections, segments included; None for all."""
    pages: bool = False

    def takes(self, collection: str, severity: str) -> bool:
        """Tell whether incidents of a collection and a severity are told here."""
        named = self.collections is None or not self.collections.isdisjoint(
            {collection, parent_of(collection)}
        )
        return named and severity in self.severities


@dataclass(frozen=True, slots=True)
class Damping:
    """How an incident that comes and goes is kept from calling people again and again.

    One that opens again within ``reopen_within`` of its resolution, with the same cause, goes on under the same key.
    From the ``openings``-th opening of a key in a day on, its resolution waits ``reopen_within`` before it is told.
    """

    reopen_within: timedelta = timedelta(hours=1)
    openings: int = 3


@dataclass(frozen=True, slots=True)
class Hush:
    """Why nobody is told just now, and until when."""

    kind: Literal["silence", "grace"]
    until: datetime
    reason: str


def hush(
    collection: str, cause: str, at: datetime, silences: Iterable[Silence], events: Iterable[Event]
) -> Hush | None:
    """Return what silences an incident of this collection and cause at a moment: the one that ends last, or None.

    A silence covers its collection with all segments, and a cause where it names one; a planned event covers every
    cause from its time to the end of its grace period. ``""`` is every collection. A span begins at its start and no
    longer holds at its end.
    """
    places = {collection, parent_of(collection), ""}
    found = [
        Hush("silence", s.ends_at, s.reason)
        for s in silences
        if s.collection in places and s.cause in (cause, "") and s.starts_at <= at < s.ends_at
    ]
    found += [
        Hush("grace", e.grace_until, e.title)
        for e in events
        if e.planned and e.grace_until is not None and e.collection in places and e.at <= at < e.grace_until
    ]
    return max(found, key=lambda each: each.until, default=None)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a receiver has heard under a key since the last resolution that reached it."""

    told: bool = False
    """Whether anything reached it, or may have."""
    severity: Severity = "none"
    """The highest that it was told of."""
    ever: bool = False
    """Whether it has ever heard of this key."""


@dataclass(frozen=True, slots=True)
class Send:
    """To be sent now, as this."""

    kind: FactKind


@dataclass(frozen=True, slots=True)
class Hold:
    """To be looked at again then: nobody is told before."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Drop:
    """Never to be sent."""

    result: Literal["superseded", "silenced"]


Decision = Send | Hold | Drop


def decide(
    kind: FactKind, severity: Severity, heard: Heard, hushed: Hush | None, at: datetime, *, acknowledged: bool
) -> Decision:
    """Return what becomes of a delivery that is due.

    A resolution always passes where the opening did, or an alert would stay open for ever, and where the opening did
    not there is nothing to resolve. An acknowledged incident is told of again only when its severity rises. What is
    silenced waits: it is dropped by a resolution, and told once when the silence ends before that.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    >>> decide("updated", "warning", Heard(), None, noon, acknowledged=False)
    Send(kind='opened')
    >>> decide("resolved", "warning", Heard(), None, noon, acknowledged=False)
    Drop(result='superseded')
    """
    if kind in ("resolved", "acknowledged"):
        return Send(kind) if heard.told else Drop("superseded")
    if heard.told and acknowledged and RANK[severity] <= RANK[heard.severity]:
        return Drop("silenced")
    if hushed is not None:
        return Hold(min(hushed.until, at + RECHECK))
    return Send("updated" if heard.told else "opened")


SUPERSEDED_BY: dict[FactKind, tuple[FactKind, ...]] = {
    "opened": ("opened", "updated", "resolved"),
    "updated": ("opened", "updated", "resolved"),
    "acknowledged": ("resolved",),
    "resolved": ("opened", "updated"),
}
"""Which newer fact makes an older one that still waits pointless. Of a resolution: that it has opened again."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an undelivered message is tried, and how the pauses grow."""

    give_up_after: timedelta = timedelta(hours=24)
    first: float = 2.0
    longest: float = 900.0
    longest_asked: float = field(default=3600.0)
    """Seconds that a receiver's own Retry-After may ask for."""

    def pause(self, attempts: int, draw: float, retry_after: float | None) -> float:
        """Return the seconds until the next attempt: exponential with full jitter, or what the receiver asked for.

        ``draw`` is uniform in [0, 1). Full jitter as in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).

        >>> Patience().pause(3, 0.5, None), Patience().pause(50, 0.5, None), Patience().pause(1, 0.5, 60)
        (4.0, 450.0, 60.0)
        """
        asked = 0.0 if retry_after is None else min(max(0.0, retry_after), self.longest_asked)
        grown = self.first * 2.0 ** min(attempts - 1, 30)
        return max(asked, draw * min(self.longest, grown))
