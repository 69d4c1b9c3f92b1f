"""folds of items, bands of the audit sample, what told the bands apart, and augmented texts"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("item", sa.Column("fold", sa.Integer(), nullable=True))
    op.create_table(
        "auditscorer",
        sa.Column("project_id", _ROW, nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("encoder", sa.String(), nullable=False),
        sa.Column("arrays", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_auditscorer_project_id_project")),
        sa.PrimaryKeyConstraint("project_id", "phase", name=op.f("pk_auditscorer")),
    )
    op.create_table(
        "auditbands",
        sa.Column("id", _ROW, autoincrement=True, nullable=False),
        sa.Column("project_id", _ROW, nullable=False),
        sa.Column("items", sa.LargeBinary(), nullable=False),
        sa.Column("codes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_auditbands_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auditbands")),
    )
    op.create_index(op.f("ix_auditbands_project_id"), "auditbands", ["project_id"], unique=False)
    op.create_table(
        "augmentedtext",
        sa.Column("id", _ROW, autoincrement=True, nullable=False),
        sa.Column("project_id", _ROW, nullable=False),
        sa.Column("parent", _ROW, nullable=False),
        sa.Column("recipe", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("text_key", sa.BigInteger(), nullable=False),
        sa.Column("review", sa.String(), nullable=False),
        sa.Column("reviewer", sa.String(), nullable=True),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.Column("reviewed_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["parent"], ["item.id"], name=op.f("fk_augmentedtext_parent_item")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_augmentedtext_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_augmentedtext")),
        sa.UniqueConstraint(
            "project_id",
            "parent",
            "recipe",
            "text_key",
            name=op.f("uq_augmentedtext_project_id_parent_recipe_text_key"),
        ),
    )
    op.create_index(op.f("ix_augmentedtext_parent"), "augmentedtext", ["parent"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_augmentedtext_parent"), table_name="augmentedtext")
    op.drop_table("augmentedtext")
    op.drop_index(op.f("ix_auditbands_project_id"), table_name="auditbands")
    op.drop_table("auditbands")
    op.drop_table("auditscorer")
    op.drop_column("item", "fold")  # not in batch mode, which on SQLite drops a table that others refer to
