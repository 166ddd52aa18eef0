"""What the pages show and do, on the store and the deployment as they are at that moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from monitor.config import parse_duration
from monitor.config.told import AHEAD, read_event
from monitor.daemon.closer import Closer
from monitor.errors import BaselineError, ConfigError
from monitor.explain import offer_baselines
from monitor.records import BaselineInfo, Event, Snapshot
from monitor.segments import family_baselines, parent_of, with_parent
from monitor.store import Store
from monitor.web import summarize
from monitor.web.views import collection_view, event_view
from monitor.wiring import Deployment

MOST_WINDOWS = 5000
"""Windows of a page; older ones are left out where a short window and a long time are asked for together."""
MOST_BASELINES = 20
OFFERED = timedelta(days=14)
"""How long after a planned change its baseline is offered."""
LISTED = timedelta(days=90)
LONGEST_SILENCE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class StoreDesk:
    """Reads and acts for :class:`monitor.web.Desk`; the two functions give what a reload may have replaced."""

    store: Callable[[], Store]
    deployment: Callable[[], Deployment]
    clock: Callable[[], datetime]
    public_texts: bool = False
    """Whether everybody may see words and examples from the log."""
    closer: Closer = field(default_factory=Closer)

    def collection(self, name: str, days: int) -> dict[str, Any] | None:
        """Return the page of a collection or segment; raises `StoreError`."""
        deployment, store, now = self.deployment(), self.store(), self.clock()
        if name not in deployment.collections:
            return None
        since = now - timedelta(days=days)
        (status,) = store.statuses([name])
        snapshot = Snapshot(now, (replace(status, log_threshold=deployment.thresholds[name]),))
        (row,) = summarize(snapshot)["collections"]
        baselines = store.baselines(name)[:MOST_BASELINES]
        events = store.events(with_parent(name), since, now + AHEAD)
        return collection_view(
            row,
            store.outline(name, since, now, MOST_WINDOWS),
            baselines,
            store.incidents(name, since),
            events,
            [s for s in store.silences(now) if s.collection in ("", *with_parent(name))],
            since=since,
            now=now,
            offers=offered(name, events, baselines, now),
        )

    def incident(self, identifier: int, *, texts: bool) -> dict[str, Any] | None:
        """Return an incident's page; raises `StoreError`."""
        past = self.store().incident(identifier)
        if past is None:
            return None
        return self.closer.look(
            past, self.store(), self.deployment(), self.clock(), texts=texts or self.public_texts
        )

    def events(self, collection: str | None) -> list[dict[str, Any]]:
        """Return the newest events, all of them or what concerns one collection; raises `StoreError`."""
        now = self.clock()
        names = None if collection is None else with_parent(collection)
        return [event_view(event) for event in self.store().events(names, now - LISTED, now + AHEAD)]

    def record_event(self, body: bytes | dict[str, Any], by: str) -> dict[str, Any]:
        """Keep an event; raises `ConfigError` where it says something wrong, and `StoreError`."""
        deployment = self.deployment()
        event = read_event(
            body,
            now=self.clock(),
            by=by,
            grace=deployment.config.events.grace,
            collections=list(deployment.collections),
        )
        kept, created = self.store().add_event(event)
        named = replace(kept, collection=parent_of(kept.collection) or kept.collection)
        wholes = [name for name in deployment.families() if parent_of(name) is None]
        return {
            "result": "created" if created else "known",
            "event": event_view(kept),
            "next": list(offer_baselines(named, wholes)),
        }

    def promote(self, collection: str, identifier: int, by: str, reason: str) -> None:
        """Put a baseline and those of its segments in use; raises `BaselineError` and `StoreError`."""
        store = self.store()
        info = next((each for each in store.baselines(collection) if each.id == identifier), None)
        if info is None:
            raise BaselineError(f"collection {collection!r} has no baseline {identifier}")
        # The segments first: where one fails, the collection still stands by the family that it had.
        for each in (*family_baselines(info.meta), identifier):
            store.promote(each, by=by, reason=_reason(reason))

    def silence(self, collection: str, cause: str, span: str, by: str, reason: str) -> None:
        """Keep a silence from now on; raises `ConfigError` and `StoreError`."""
        if collection not in self.deployment().collections:
            raise ConfigError(f"no collection {collection!r} is watched")
        try:
            length = cast("timedelta", parse_duration(span))
        except ValueError as error:
            raise ConfigError(f"silence: {error}") from None
        if not timedelta(0) < length <= LONGEST_SILENCE:
            raise ConfigError(f"silence: give a time above 0 and of at most {LONGEST_SILENCE.days}d")
        now = self.clock()
        self.store().add_silence(collection, cause[:64], now, now + length, by, _reason(reason))

    def acknowledge(self, identifier: int, by: str) -> None:
        """Note that somebody works on an incident; raises `ConfigError` and `StoreError`."""
        self.store().acknowledge(identifier, by)


def offered(
    name: str, events: Sequence[Event], baselines: Sequence[BaselineInfo], now: datetime
) -> tuple[str, ...]:
    """Return the commands for a baseline after the newest planned change, until one was taken of what came after it."""
    whole = parent_of(name) or name
    for event in events:
        if event.planned and event.at <= now and now - event.at <= OFFERED:
            taken = any(info.start >= event.at for info in baselines)
            return () if taken else offer_baselines(replace(event, collection=whole), [whole])
    return ()


def _reason(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:200] or "status page"
