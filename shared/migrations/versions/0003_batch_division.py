"""how a batch divided among the channels, and which classes were done"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The defaults stay: batches that are there, and those of a worker of the version before, say nothing of it.
    op.add_column("batch", sa.Column("division", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("batch", sa.Column("done", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    for name in ("done", "division"):
        op.drop_column("batch", name)  # not in batch mode, which on SQLite drops a table that others refer to
