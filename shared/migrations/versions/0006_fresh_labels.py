"""what fresh labels say of the model in use, and a lane to look at them"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "freshlabels",
        sa.Column("id", _ROW, autoincrement=True, nullable=False),
        sa.Column("project_id", _ROW, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("began", sa.Integer(), nullable=False),
        sa.Column("items", sa.LargeBinary(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_freshlabels_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_freshlabels")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_freshlabels_project_id_number")),
    )
    # Projects that are there get the lane that new ones are made with.
    op.execute(
        "INSERT INTO lane (project_id, room, requested, completed, token, attempts) "
        "SELECT id, 'labels', 0, 0, 0, 0 FROM project"
    )


def downgrade() -> None:
    op.execute("DELETE FROM lane WHERE room = 'labels'")
    op.drop_table("freshlabels")
