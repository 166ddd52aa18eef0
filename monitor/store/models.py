"""The tables. Their names and columns are API: a change is a migration and a line in the changelog."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    UniqueConstraint,
    false,
    literal_column,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.type_api import TypeEngine

from monitor.records import WindowState
from monitor.store.columns import BigKey, CleanJSON, CleanText, UTCDateTime


class Base(DeclarativeBase):
    """What all tables share: types by annotation, and constraint names that a migration can call."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, TypeEngine[Any]]] = {
        str: CleanText(),
        datetime: UTCDateTime(),
        float: Double(),
        bytes: LargeBinary(),
        dict[str, Any]: CleanJSON(),
        list[str]: CleanJSON(),
    }


class BaselineRow(Base):
    """A frozen reference; at most one per collection is active."""

    __tablename__ = "baselines"
    __table_args__ = (
        Index(
            "uq_baselines_active",
            "collection",
            unique=True,
            sqlite_where=text("active"),
            postgresql_where=text("active"),
        ),
        Index(None, "collection"),
        {"sqlite_autoincrement": True},  # people quote these numbers: none is ever given twice
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    collection: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    reason: Mapped[str]
    span_start: Mapped[datetime]
    span_end: Mapped[datetime]
    active: Mapped[bool] = mapped_column(server_default=false())
    model: Mapped[str] = mapped_column(server_default="")
    meta: Mapped[dict[str, Any] | None]
    data: Mapped[bytes]


class AuditRow(Base):
    """Who did what, when and why."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "collection", "at"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    collection: Mapped[str]
    subject: Mapped[str] = mapped_column(server_default="")
    reason: Mapped[str] = mapped_column(server_default="")


class WindowRow(Base):
    """One window of the ledger, from planned to done.

    ``not_before`` holds a failed window back until its next attempt. A window that was rolled up keeps its
    start and gets a later end; the watermark is kept apart, so that a deleted row is never planned again.
    """

    __tablename__ = "windows"
    __table_args__ = (
        UniqueConstraint("collection", "start_at"),
        # A year of done windows stays out of what a claim looks through.
        Index(
            "ix_windows_unfinished",
            "collection",
            "start_at",
            sqlite_where=text("state IN ('planned', 'running')"),
            postgresql_where=text("state IN ('planned', 'running')"),
        ),
        Index(
            "ix_windows_parked",
            "collection",
            "start_at",
            sqlite_where=text("state = 'parked'"),
            postgresql_where=text("state = 'parked'"),
        ),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    collection: Mapped[str]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    state: Mapped[WindowState] = mapped_column(CleanText(), server_default="planned")
    fence: Mapped[int] = mapped_column(server_default="0")
    attempts: Mapped[int] = mapped_column(server_default="0")
    backfill: Mapped[bool] = mapped_column(server_default=false())
    planned_at: Mapped[datetime]
    not_before: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    worker: Mapped[str | None]
    last_error: Mapped[str | None]
    finished_at: Mapped[datetime | None]
    baseline_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("baselines.id"))
    verdict_state: Mapped[str | None]
    severity: Mapped[str | None]
    cause: Mapped[str | None]
    verdict: Mapped[dict[str, Any] | None]
    sample_seen: Mapped[int | None]
    sample_size: Mapped[int | None]
    rejected: Mapped[dict[str, Any] | None]
    duration_s: Mapped[float | None]


class ProfileRow(Base):
    """A window's packed profile; resolution 0 is the window itself, higher ones are spans it begins."""

    __tablename__ = "profiles"
    window_id: Mapped[int] = mapped_column(
        BigKey, ForeignKey("windows.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    resolution: Mapped[int] = mapped_column(
        SmallInteger, primary_key=True, server_default="0", autoincrement=False
    )
    data: Mapped[bytes]


class StreamRow(Base):
    """A detector on a signal of a collection, with what its readings are held against at present."""

    __tablename__ = "streams"
    __table_args__ = (UniqueConstraint("collection", "detector", "signal"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    collection: Mapped[str]
    detector: Mapped[str]
    signal: Mapped[str]
    effect_floor: Mapped[float] = mapped_column(server_default="0")
    threshold: Mapped[float | None]
    harmful: Mapped[bool] = mapped_column(server_default=false())


class ReadingRow(Base):
    """One reading: the table that grows, so its rows are narrow and its key is its only index."""

    __tablename__ = "readings"
    __table_args__ = ({"sqlite_with_rowid": False},)
    window_id: Mapped[int] = mapped_column(
        BigKey, ForeignKey("windows.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id"), primary_key=True, autoincrement=False)
    n: Mapped[int]
    value: Mapped[float]
    log_p: Mapped[float | None]
    effect: Mapped[float | None]
    status: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    detail: Mapped[dict[str, Any] | None]


class EvidenceRow(Base):
    """The running evidence of a stream, as of the window that starts at ``window_start``."""

    __tablename__ = "evidence"
    stream_id: Mapped[int] = mapped_column(
        ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    window_start: Mapped[datetime]
    log_e: Mapped[float]
    firing: Mapped[bool] = mapped_column(server_default=false())
    calm: Mapped[int] = mapped_column(server_default="0")


class CollectionRow(Base):
    """What a collection carries from window to window; whoever changes it holds this row's lock."""

    __tablename__ = "collection_state"
    collection: Mapped[str] = mapped_column(primary_key=True)
    watermark: Mapped[datetime | None]
    """Start of the next window to plan; it never goes back."""
    windows_done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Counted here: counting a year of rows at every tick would be slow, and retention would shrink it."""
    corpus_seen: Mapped[bytes | None]
    ingest: Mapped[dict[str, Any] | None]
    """When documents arrived, as the windows have seen it (see :class:`monitor.records.Ingest`)."""
    updated_at: Mapped[datetime]


class RetentionRow(Base):
    """How far a step of retention has come in a collection: everything before ``reached`` is dealt with."""

    __tablename__ = "retention"
    collection: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    reached: Mapped[datetime]


class IncidentRow(Base):
    """A run of windows in drift; at most one per collection is open.

    Times are those of the windows (their ends), so that an incident found late still says when it was.
    ``backfill`` marks that its last change was found in a window made up late and has not been told yet;
    ``announced_at`` is when people first heard of it.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        Index(
            "uq_incidents_open",
            "collection",
            unique=True,
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
        Index(None, "collection", "opened_at"),
        Index(None, "opened_window"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    collection: Mapped[str]
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    severity: Mapped[str]
    cause: Mapped[str]
    confidence: Mapped[float] = mapped_column(server_default="0")
    fired: Mapped[list[str] | None]
    opened_window: Mapped[int | None] = mapped_column(BigKey, ForeignKey("windows.id", ondelete="SET NULL"))
    backfill: Mapped[bool] = mapped_column(server_default=false())
    announced_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]


class EventRow(Base):
    """A deploy, a re-indexing, a model push: what people or pipelines say they did; ``""`` is every collection.

    ``key`` is the sender's own name for it: telling the same twice keeps one. A planned one opens a grace period, until
    which drift of its collections pages nobody.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("key"),
        Index(None, "collection", "at"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key: Mapped[str]
    collection: Mapped[str] = mapped_column(server_default="")
    at: Mapped[datetime]
    kind: Mapped[str]
    title: Mapped[str]
    planned: Mapped[bool] = mapped_column(server_default=false())
    grace_until: Mapped[datetime | None]
    url: Mapped[str] = mapped_column(server_default="")
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]


class SilenceRow(Base):
    """A span of time in which nobody is to be told; ``""`` for collection or cause stands for all of them."""

    __tablename__ = "silences"
    __table_args__ = (Index(None, "ends_at"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    collection: Mapped[str] = mapped_column(server_default="")
    cause: Mapped[str] = mapped_column(server_default="")
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    reason: Mapped[str]


class OutboxRow(Base):
    """Something that people are to be told, written in the commit that found it: a fact; and its deliveries.

    A delivery is a row that names its ``notifier`` and the fact that it came from; ``result`` is how it ended:
    delivered, dead, dropped, silenced, superseded; a fact is routed. ``delivered_at`` is when it ended, unless it
    died. A delivery that waits behind a silence is silenced already and not ended. ``thread`` is the key that the
    receiver knows the incident by; ``in_doubt`` tells that an attempt may have reached it.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_pending",
            "next_attempt_at",
            sqlite_where=text("delivered_at IS NULL AND dead_at IS NULL"),
            postgresql_where=text("delivered_at IS NULL AND dead_at IS NULL"),
        ),
        Index(None, "incident_id"),
        Index("uq_outbox_fact_id_notifier", "fact_id", "notifier", unique=True),
        Index(None, "thread"),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    incident_id: Mapped[int] = mapped_column(BigKey, ForeignKey("incidents.id", ondelete="CASCADE"))
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default="0")
    delivered_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    notifier: Mapped[str | None]
    last_error: Mapped[str | None]
    fact_id: Mapped[int | None] = mapped_column(BigInteger)
    result: Mapped[str | None]
    thread: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    first_attempt_at: Mapped[datetime | None]
    in_doubt: Mapped[bool] = mapped_column(server_default=false())


class NotificationCountRow(Base):
    """How often a notifier's deliveries came to a result; counted here, since rows of the outbox go with time."""

    __tablename__ = "notification_counts"
    notifier: Mapped[str] = mapped_column(primary_key=True)
    result: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, server_default="0")


def unfinished(windows: type[WindowRow] = WindowRow) -> ColumnElement[bool]:
    """Return the condition of the index ``ix_windows_unfinished``, in the words that let SQLite use it."""
    return windows.state.in_([literal_column("'planned'"), literal_column("'running'")])


def parked(windows: type[WindowRow] = WindowRow) -> ColumnElement[bool]:
    """Return the condition of the index ``ix_windows_parked``."""
    return windows.state == literal_column("'parked'")
