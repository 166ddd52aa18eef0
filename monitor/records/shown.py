"""What the store knows and shows: incidents, what people tell, and the snapshot that is exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from monitor.records.flow import Evidence, Reading, Severity, Verdict, WindowState

EventKind = Literal["deploy", "reindex", "model_push", "other"]


@dataclass(frozen=True, slots=True)
class Incident:
    """A run of windows in drift: what people are told about."""

    id: int
    collection: str
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    severity: Severity
    cause: str
    fired: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done to the monitored service: a deploy, a re-indexing, a model push.

    ``key`` is the sender's own name for it: telling it twice keeps one. ``collection`` ``""`` is every collection.
    A planned one opens a grace period: until ``grace_until`` drift of its collections pages nobody.
    """

    key: str
    at: datetime
    kind: EventKind
    title: str
    collection: str = ""
    planned: bool = False
    grace_until: datetime | None = None
    url: str = ""
    recorded_by: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """A span of time in which nobody is told of a collection's incidents; ``""`` stands for every one."""

    id: int
    collection: str
    cause: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class CollectionStatus:
    """One collection as the store sees it now: the row behind ``status``, the page and the metrics."""

    collection: str
    window_end: datetime | None
    readings: tuple[Reading, ...]
    evidence: tuple[Evidence, ...]
    verdict: Verdict | None
    incidents: tuple[Incident, ...]
    windows: Mapping[WindowState, int]
    sample_sizes: Mapping[str, int]
    baseline_id: int | None
    baseline_model: str
    log_threshold: float
    window_length: timedelta | None = None
    """Length of the last done window; what a window's lag is judged by."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What of a notifier's deliveries waits, how long the oldest has been late in seconds, and how many are dead."""

    pending: int = 0
    oldest_age: float = 0.0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is exported, read once per tick off the scrape path."""

    at: datetime
    collections: tuple[CollectionStatus, ...]
    notifications: Mapping[tuple[str, str], int] = field(default_factory=dict)
    backlogs: Mapping[str, Backlog] = field(default_factory=dict)
    silences: int = 0
    config_ok: bool = True
    config_read_at: datetime | None = None
    in_work: Mapping[str, int] = field(default_factory=dict)
    """Windows that this process works at this moment, by pace: brisk, slow, hanging."""
    events: Mapping[tuple[str, EventKind], datetime] = field(default_factory=dict)
    """When each kind of event was told of last, by collection; one that speaks of all counts for each."""


@dataclass(frozen=True, slots=True)
class BaselineInfo:
    """A stored baseline without its arrays: who made it, when, why, from what, and whether it is in use."""

    id: int
    collection: str
    created_at: datetime
    created_by: str
    reason: str
    start: datetime
    end: datetime
    active: bool
    model: str
    meta: Mapping[str, Any] = field(default_factory=dict)
