"""Drift tasks: look at every new window of items, and open a campaign where it calls for one."""

from shared import lanes
from workers.app import app
from workers.context import context


@app.task(name="drift.watch")
def watch(*, project_id: int) -> None:
    """Report on each window of new items."""
    held = context()
    with held.lane(project_id, lanes.DRIFT) as claimed:
        if claimed is None:
            return
        with held.database.write() as session:
            lanes.complete(session, claimed)
