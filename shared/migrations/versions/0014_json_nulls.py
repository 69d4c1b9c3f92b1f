"""restored databases, where what is not there was stored as JSON's null, which is something to SQL"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, column in (("model", "metrics"), ("campaign", "outcome"), ("driftreport", "state")):
        table = sa.table(name, sa.column(column))
        is_null_of_json = sa.cast(table.c[column], sa.Text) == "null"
        op.execute(table.update().values({column: sa.null()}).where(is_null_of_json))


def downgrade() -> None:
    """Nothing to take back: an older version reads NULL as well."""
