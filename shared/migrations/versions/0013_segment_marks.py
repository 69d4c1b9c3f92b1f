"""what tells a vector segment from those of other databases, whose row numbers and sizes may be the same"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    marks = op.create_table(
        "segmentmark",
        sa.Column("segment", _ROW, nullable=False),
        sa.Column("mark", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["segment"], ["vectorsegment.id"], name=op.f("fk_segmentmark_segment")),
        sa.PrimaryKeyConstraint("segment", name=op.f("pk_segmentmark")),
    )
    segments = op.get_bind().execute(sa.text("SELECT id FROM vectorsegment ORDER BY id")).scalars()
    op.bulk_insert(marks, [{"segment": segment, "mark": secrets.token_hex(8)} for segment in segments])


def downgrade() -> None:
    op.drop_table("segmentmark")
