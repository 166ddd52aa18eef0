"""The ledger: windows, what was found in them, baselines, incidents and the outbox.

A migration stands still: it names plain types of its own and imports nothing that may change. Every column
that is not given at the first insert has a default of the server, so that the release before can go on
writing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
PLAIN = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    create_baselines()
    create_windows()
    create_streams()
    create_incidents()


def downgrade() -> None:
    for table in (
        "outbox",
        "incidents",
        "collection_state",
        "evidence",
        "readings",
        "streams",
        "profiles",
        "windows",
        "audit_log",
        "baselines",
    ):
        op.drop_table(table)


def create_baselines() -> None:
    op.create_table(
        "baselines",
        sa.Column("id", KEY, nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("span_start", TIME, nullable=False),
        sa.Column("span_end", TIME, nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("meta", PLAIN),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_baselines"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_baselines_collection", "baselines", ["collection"])
    create_partial_index("uq_baselines_active", "baselines", ["collection"], "active", unique=True)
    op.create_table(
        "audit_log",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_collection_at", "audit_log", ["collection", "at"])


def create_windows() -> None:
    op.create_table(
        "windows",
        sa.Column("id", KEY, nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("start_at", TIME, nullable=False),
        sa.Column("end_at", TIME, nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("backfill", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("planned_at", TIME, nullable=False),
        sa.Column("not_before", TIME),
        sa.Column("lease_until", TIME),
        sa.Column("worker", sa.Text()),
        sa.Column("last_error", sa.Text()),
        sa.Column("finished_at", TIME),
        sa.Column("baseline_id", KEY),
        sa.Column("verdict_state", sa.Text()),
        sa.Column("severity", sa.Text()),
        sa.Column("cause", sa.Text()),
        sa.Column("verdict", PLAIN),
        sa.Column("sample_seen", sa.Integer()),
        sa.Column("sample_size", sa.Integer()),
        sa.Column("rejected", PLAIN),
        sa.Column("duration_s", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_windows"),
        sa.UniqueConstraint("collection", "start_at", name="uq_windows_collection_start_at"),
        sa.ForeignKeyConstraint(["baseline_id"], ["baselines.id"], name="fk_windows_baseline_id"),
    )
    span = ["collection", "start_at"]
    create_partial_index("ix_windows_unfinished", "windows", span, "state IN ('planned', 'running')")
    create_partial_index("ix_windows_parked", "windows", span, "state = 'parked'")
    op.create_table(
        "profiles",
        sa.Column("window_id", KEY, autoincrement=False, nullable=False),
        sa.Column("resolution", sa.SmallInteger(), server_default="0", autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("window_id", "resolution", name="pk_profiles"),
        sa.ForeignKeyConstraint(
            ["window_id"], ["windows.id"], name="fk_profiles_window_id", ondelete="CASCADE"
        ),
    )


def create_streams() -> None:
    op.create_table(
        "streams",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("signal", sa.Text(), nullable=False),
        sa.Column("effect_floor", sa.Double(), server_default="0", nullable=False),
        sa.Column("threshold", sa.Double()),
        sa.Column("harmful", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_streams"),
        sa.UniqueConstraint("collection", "detector", "signal", name="uq_streams_collection_detector_signal"),
    )
    op.create_table(
        "readings",
        sa.Column("window_id", KEY, autoincrement=False, nullable=False),
        sa.Column("stream_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("log_p", sa.Double()),
        sa.Column("effect", sa.Double()),
        sa.Column("status", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("detail", PLAIN),
        sa.PrimaryKeyConstraint("window_id", "stream_id", name="pk_readings"),
        sa.ForeignKeyConstraint(
            ["window_id"], ["windows.id"], name="fk_readings_window_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="fk_readings_stream_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evidence",
        sa.Column("stream_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("window_start", TIME, nullable=False),
        sa.Column("log_e", sa.Double(), nullable=False),
        sa.Column("firing", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("calm", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("stream_id", name="pk_evidence"),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name="fk_evidence_stream_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "collection_state",
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("watermark", TIME),
        sa.Column("windows_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("corpus_seen", sa.LargeBinary()),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("collection", name="pk_collection_state"),
    )


def create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", KEY, nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("resolved_at", TIME),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), server_default="0", nullable=False),
        sa.Column("fired", PLAIN),
        sa.Column("opened_window", KEY),
        sa.Column("backfill", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("announced_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.ForeignKeyConstraint(
            ["opened_window"], ["windows.id"], name="fk_incidents_opened_window", ondelete="SET NULL"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incidents_collection_opened_at", "incidents", ["collection", "opened_at"])
    op.create_index("ix_incidents_opened_window", "incidents", ["opened_window"])
    create_partial_index("uq_incidents_open", "incidents", ["collection"], "resolved_at IS NULL", unique=True)
    op.create_table(
        "outbox",
        sa.Column("id", KEY, nullable=False),
        sa.Column("incident_id", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", PLAIN, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("next_attempt_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("delivered_at", TIME),
        sa.Column("dead_at", TIME),
        sa.Column("notifier", sa.Text()),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name="fk_outbox_incident_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_outbox_incident_id", "outbox", ["incident_id"])
    pending = "delivered_at IS NULL AND dead_at IS NULL"
    create_partial_index("ix_outbox_pending", "outbox", ["next_attempt_at"], pending)


def create_partial_index(
    name: str, table: str, columns: list[str], where: str, *, unique: bool = False
) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
