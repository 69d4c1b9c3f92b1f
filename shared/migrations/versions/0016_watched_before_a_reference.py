"""up to which time items had been watched when a reference of the drift watch was set"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("driftreference", sa.Column("partly_through", _ROW, nullable=False, server_default="0"))
    op.add_column("driftreference", sa.Column("until", sa.Float(), nullable=True))
    op.execute("UPDATE driftreference SET partly_through = through")


def downgrade() -> None:
    op.drop_column("driftreference", "until")
    op.drop_column("driftreference", "partly_through")
