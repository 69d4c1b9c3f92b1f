"""what models say of items of the drift reference whose labels they did not see"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "driftheldout",
        sa.Column("project_id", _ROW, nullable=False),
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Integer(), nullable=False),
        sa.Column("arrays", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_driftheldout_project_id")),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_driftheldout")),
    )


def downgrade() -> None:
    op.drop_table("driftheldout")
