"""Ingest: what the windows of a collection have seen of new documents arriving, carried to the next one.

Only adds: the release before knows nothing of the column and leaves it as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("collection_state", sa.Column("ingest", kind, nullable=True))


def downgrade() -> None:
    op.drop_column("collection_state", "ingest")
