"""the feed of changed items, by which a worker brings the pool that it keeps up to date"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "itemchange",
        sa.Column("id", _ROW, autoincrement=True, nullable=False),
        sa.Column("project_id", _ROW, nullable=False),
        sa.Column("items", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_itemchange_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_itemchange")),
    )
    op.create_index(op.f("ix_itemchange_project_id_id"), "itemchange", ["project_id", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_itemchange_project_id_id"), table_name="itemchange")
    op.drop_table("itemchange")
