"""tokens of the HTTP API, and who changed what"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "token",
        sa.Column("id", _ROW, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("project_id", _ROW, nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_token_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
    )
    op.create_table(
        "recordedchange",
        sa.Column("id", _ROW, autoincrement=True, nullable=False),
        sa.Column("project", sa.String(), nullable=True),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordedchange")),
    )
    op.create_index(op.f("ix_recordedchange_project"), "recordedchange", ["project"])
    op.create_index(op.f("ix_deadletter_received_at"), "deadletter", ["received_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_deadletter_received_at"), table_name="deadletter")
    op.drop_index(op.f("ix_recordedchange_project"), table_name="recordedchange")
    op.drop_table("recordedchange")
    op.drop_table("token")
