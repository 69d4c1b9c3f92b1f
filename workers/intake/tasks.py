"""Intake tasks: the sweep, which makes good whatever was missed."""

from shared import lanes
from shared.crash_points import name_commit
from shared.events import forget_published
from shared.repository import rounds
from shared.repository.assignments import projects_with_open
from shared.repository.submissions import forget_dead_letters
from workers.app import SWEEP, app
from workers.context import context
from workers.hints import wake


@app.task(name=SWEEP)
def sweep() -> None:
    """Publish what lies in the outbox, look at every lease, wake every lane that lags, and forget what is long over.

    Runs every few seconds. It decides nothing by itself: all it does is to ask again, so two sweeps at once, or none
    for a while, do no harm.
    """
    held = context()
    with held.database.write() as session:
        name_commit(session, "sweep")
        for project_id in projects_with_open(session):
            lanes.request(session, project_id, lanes.DISPATCH)
    # By itself: a round that ends holds its own lane and then asks for the dispatch's, so who held both would meet it.
    with held.database.write() as session:
        for project_id in rounds.projects_past_their_time(session):
            lanes.request(session, project_id, lanes.ROUND)
        forget_published(session)
        forget_dead_letters(session, kept_days=held.settings.dead_letters_kept_days)
        lagging = lanes.lagging(session)
    held.relay()
    wake(lagging)
