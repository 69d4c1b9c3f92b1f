"""indexes of what was found by looking through all of a table: an item's assignments, and old events"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_assignment_item"), "assignment", ["item"])
    published = sa.text("published_at IS NOT NULL")
    op.create_index(
        op.f("ix_outboxevent_published_at"),
        "outboxevent",
        ["published_at"],
        sqlite_where=published,
        postgresql_where=published,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_outboxevent_published_at"), table_name="outboxevent")
    op.drop_index(op.f("ix_assignment_item"), table_name="assignment")
