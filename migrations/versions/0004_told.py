"""What people tell and are told: events, silences, acknowledgements, and deliveries of the outbox.

A row of the outbox without a notifier is a fact; its deliveries are rows that name one and the fact they came from.
Only adds: the release before writes facts and knows nothing of the rest.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("outbox", sa.Column("fact_id", sa.BigInteger(), nullable=True))
    op.add_column("outbox", sa.Column("result", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("thread", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("lease_until", TIME, nullable=True))
    op.add_column("outbox", sa.Column("first_attempt_at", TIME, nullable=True))
    op.add_column("outbox", sa.Column("in_doubt", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_outbox_thread", "outbox", ["thread"])
    op.create_table(
        "notification_counts",
        sa.Column("notifier", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("notifier", "result", name="pk_notification_counts"),
    )
    op.create_index("uq_outbox_fact_id_notifier", "outbox", ["fact_id", "notifier"], unique=True)
    op.add_column("incidents", sa.Column("acknowledged_at", TIME, nullable=True))
    op.add_column("incidents", sa.Column("acknowledged_by", sa.Text(), nullable=True))
    op.create_table(
        "events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("collection", sa.Text(), server_default="", nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("planned", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("grace_until", TIME, nullable=True),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("key", name="uq_events_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_collection_at", "events", ["collection", "at"])
    op.create_table(
        "silences",
        sa.Column("id", KEY, nullable=False),
        sa.Column("collection", sa.Text(), server_default="", nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_silences"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_silences_ends_at", "silences", ["ends_at"])


def downgrade() -> None:
    op.drop_table("silences")
    op.drop_table("events")
    # Deliveries are rows of their own; the release before would take them for facts.
    op.execute("DELETE FROM outbox WHERE fact_id IS NOT NULL")
    op.drop_table("notification_counts")
    op.drop_index("ix_outbox_thread", "outbox")
    for column in ("in_doubt", "first_attempt_at", "lease_until", "thread"):
        op.drop_column("outbox", column)
    op.drop_index("uq_outbox_fact_id_notifier", "outbox")
    op.drop_column("outbox", "result")
    op.drop_column("outbox", "fact_id")
    op.drop_column("incidents", "acknowledged_by")
    op.drop_column("incidents", "acknowledged_at")
