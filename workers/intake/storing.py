"""Storing items: draws and rule hits, rows, lanes and event, in one transaction."""

from collections.abc import Sequence

from shared import lanes
from shared.database import Database, now
from shared.events import Event, emit
from shared.repository.items import NewItem, Stored, insert_items
from workers.intake.rows import permanent_draw
from workers.intake.rules import Rules


def store_items(database: Database, project_id: int, items: Sequence[NewItem], *, rules: Rules, seed: int) -> Stored:
    """Bring items into the pool and ask for their embedding; they are durable when it returns.

    Args:
        database: Where to.
        project_id: The project's row number.
        items: Valid items; some thousand at once are fast.
        rules: The project's seeding rules.
        seed: The project's seed, for the items' permanent random numbers.
    """
    draws = [permanent_draw(seed, item.item_id) for item in items]
    rule_scores = [rules.scores(item.text, item.hints) for item in items]
    with database.write() as session:
        stored = insert_items(session, project_id, items=items, draws=draws, rule_scores=rule_scores, time=now(session))
        if stored.added:
            lanes.request(session, project_id, lanes.EMBED)
            emit(session, Event.ITEMS_ADDED, project_id=project_id, added=stored.added)
    return stored
