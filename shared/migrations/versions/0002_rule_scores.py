"""a score for each rule hit"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The default stays: hits that are there, and those that a worker of the version before still writes, score 1.
    op.add_column("rulehit", sa.Column("score", sa.Float(), server_default=sa.text("1.0"), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("rulehit", schema=None) as batch_op:
        batch_op.drop_column("score")
