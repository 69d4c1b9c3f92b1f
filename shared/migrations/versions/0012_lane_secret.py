"""what only the holder of a lane and those who read the database know: it proves what helpers hand in"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lane", sa.Column("secret", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("lane", "secret")
