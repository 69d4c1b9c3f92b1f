"""what speaks for having found enough of a class"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The default stays: batches that are there, and those of a worker of the version before, say nothing of it.
    op.add_column("batch", sa.Column("stopping", sa.JSON(), server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("batch", "stopping")  # not in batch mode, which on SQLite drops a table that others refer to
