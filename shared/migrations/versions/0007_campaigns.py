"""campaigns with a course of their own, labels in doubt"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ADDED = (
    "origin",
    "why",
    "state",
    "affected",
    "near",
    "audit",
    "model",
    "started_at",
    "ended_at",
    "end_reason",
    "outcome",
)


def upgrade() -> None:
    carried = _rows("SELECT id AS campaign, batch FROM campaign WHERE batch IS NOT NULL")
    # In one go: on SQLite it makes the table anew, and nothing may refer to it meanwhile.
    with op.batch_alter_table("campaign", schema=None) as batch_op:
        batch_op.alter_column("report", existing_type=_ROW, nullable=True)
        batch_op.add_column(sa.Column("origin", sa.String(), server_default="drift", nullable=False))
        batch_op.add_column(sa.Column("why", sa.String(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("state", sa.String(), server_default="running", nullable=False))
        batch_op.add_column(sa.Column("affected", sa.JSON(), server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("near", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("audit", sa.JSON(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("model", _ROW, nullable=True))
        batch_op.add_column(sa.Column("started_at", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("ended_at", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("end_reason", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("outcome", sa.JSON(), nullable=True))
        batch_op.create_foreign_key(op.f("fk_campaign_model"), "model", ["model"], ["id"])
        batch_op.drop_column("batch")
    op.create_table(
        "campaignbatch",
        sa.Column("campaign", _ROW, nullable=False),
        sa.Column("batch", _ROW, nullable=False),
        sa.ForeignKeyConstraint(["batch"], ["batch.id"], name=op.f("fk_campaignbatch_batch")),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"], name=op.f("fk_campaignbatch_campaign")),
        sa.PrimaryKeyConstraint("campaign", "batch", name=op.f("pk_campaignbatch")),
    )
    op.create_index(op.f("ix_campaignbatch_batch"), "campaignbatch", ["batch"], unique=False)
    op.create_table(
        "labeldoubt",
        sa.Column("item", _ROW, nullable=False),
        sa.Column("project_id", _ROW, nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["item"], ["item.id"], name=op.f("fk_labeldoubt_item")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_labeldoubt_project_id")),
        sa.PrimaryKeyConstraint("item", name=op.f("pk_labeldoubt")),
    )
    op.create_index(op.f("ix_labeldoubt_project_id"), "labeldoubt", ["project_id"], unique=False)
    if carried:
        op.get_bind().execute(
            sa.text("INSERT INTO campaignbatch (campaign, batch) VALUES (:campaign, :batch)"), carried
        )
    # Until now a campaign was over when a batch held it.
    op.execute("UPDATE campaign SET started_at = opened_at")
    op.execute(
        "UPDATE campaign SET state = 'done', end_reason = 'a batch held all of it', ended_at = "
        "(SELECT max(selected_at) FROM batch JOIN campaignbatch ON campaignbatch.batch = batch.id "
        "WHERE campaignbatch.campaign = campaign.id) WHERE id IN (SELECT campaign FROM campaignbatch)"
    )
    op.execute(  # for the projects that are there
        "INSERT INTO lane (project_id, room, requested, completed, token, attempts) "
        "SELECT id, 'campaign', 0, 0, 0, 0 FROM project"
    )


def downgrade() -> None:
    carried = _rows("SELECT campaign, min(batch) AS batch FROM campaignbatch GROUP BY campaign")
    op.execute("DELETE FROM lane WHERE room = 'campaign'")
    op.drop_index(op.f("ix_labeldoubt_project_id"), table_name="labeldoubt")
    op.drop_table("labeldoubt")
    op.drop_index(op.f("ix_campaignbatch_batch"), table_name="campaignbatch")
    op.drop_table("campaignbatch")
    # The version before knows neither campaigns without a window nor such as wait for a person or were stopped.
    op.execute("DELETE FROM campaign WHERE report IS NULL OR state IN ('waiting', 'stopped')")
    with op.batch_alter_table("campaign", schema=None) as batch_op:
        batch_op.add_column(sa.Column("batch", _ROW, nullable=True))
        batch_op.create_foreign_key(op.f("fk_campaign_batch"), "batch", ["batch"], ["id"])
        batch_op.alter_column("report", existing_type=_ROW, nullable=False)
        for name in _ADDED:
            batch_op.drop_column(name)
    if carried:
        op.get_bind().execute(sa.text("UPDATE campaign SET batch = :batch WHERE id = :campaign"), carried)


def _rows(query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in op.get_bind().execute(sa.text(query)).mappings()]
