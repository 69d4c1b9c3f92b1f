"""versions of the reference, windows with the state of the watch, alarms"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NEW_COLUMNS = ("state", "until", "since", "settled", "reference")


def upgrade() -> None:
    _number_references()
    op.add_column("driftreport", sa.Column("reference", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("driftreport", sa.Column("settled", _ROW, nullable=False, server_default="0"))
    op.add_column("driftreport", sa.Column("since", sa.Float(), nullable=True))
    op.add_column("driftreport", sa.Column("until", sa.Float(), nullable=True))
    op.add_column("driftreport", sa.Column("state", sa.JSON(), nullable=True))
    op.execute("UPDATE driftreport SET settled = through")
    op.create_table(
        "driftalarm",
        sa.Column("id", _ROW, autoincrement=True, nullable=False),
        sa.Column("project_id", _ROW, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("report", _ROW, nullable=True),
        sa.Column("opened_at", sa.Float(), nullable=False),
        sa.Column("closed_at", sa.Float(), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("acknowledged_at", sa.Float(), nullable=True),
        sa.Column("acknowledged_why", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_driftalarm_project_id_project")),
        sa.ForeignKeyConstraint(["report"], ["driftreport.id"], name=op.f("fk_driftalarm_report_driftreport")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_driftalarm")),
    )
    op.create_index(op.f("ix_driftalarm_project_id"), "driftalarm", ["project_id"], unique=False)
    op.create_index(
        "uq_driftalarm_live",
        "driftalarm",
        ["project_id", "channel", "scope"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("driftalarm")
    for name in _NEW_COLUMNS:
        op.drop_column("driftreport", name)  # not in batch mode, which on SQLite drops a table that others refer to
    _one_reference_a_project()


def _number_references() -> None:
    """Nothing refers to the table, so it is made anew: its primary key changes."""
    op.execute("CREATE TABLE driftreference_old AS SELECT * FROM driftreference")
    op.drop_table("driftreference")
    op.create_table(
        "driftreference",
        sa.Column("id", _ROW, autoincrement=True, nullable=False),
        sa.Column("project_id", _ROW, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("encoder", sa.String(), nullable=False),
        sa.Column("arrays", sa.LargeBinary(), nullable=False),
        sa.Column("through", _ROW, nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("fitted_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_driftreference_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_driftreference")),
        sa.UniqueConstraint("project_id", "version", name=op.f("uq_driftreference_project_id_version")),
    )
    op.execute(
        "INSERT INTO driftreference (project_id, version, encoder, arrays, through, why, fitted_at) "
        "SELECT project_id, 1, encoder, arrays, through, 'the first items of the project', fitted_at "
        "FROM driftreference_old"
    )
    op.drop_table("driftreference_old")


def _one_reference_a_project() -> None:
    op.execute(
        "CREATE TABLE driftreference_old AS SELECT * FROM driftreference WHERE version = "
        "(SELECT max(version) FROM driftreference AS newer WHERE newer.project_id = driftreference.project_id)"
    )
    op.drop_table("driftreference")
    op.create_table(
        "driftreference",
        sa.Column("project_id", _ROW, nullable=False),
        sa.Column("encoder", sa.String(), nullable=False),
        sa.Column("arrays", sa.LargeBinary(), nullable=False),
        sa.Column("through", _ROW, nullable=False),
        sa.Column("fitted_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_driftreference_project_id")),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_driftreference")),
    )
    op.execute(
        "INSERT INTO driftreference (project_id, encoder, arrays, through, fitted_at) "
        "SELECT project_id, encoder, arrays, through, fitted_at FROM driftreference_old"
    )
    op.drop_table("driftreference_old")
