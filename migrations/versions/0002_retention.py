"""Retention: how far each of its steps has come in a collection, so that an idle call asks one row.

Only adds: the release before knows nothing of the table and works on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "retention",
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("reached", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("collection", "step", name="pk_retention"),
    )


def downgrade() -> None:
    op.drop_table("retention")
