"""Making a recipe's texts and storing them, with their lane and event, some items in a transaction."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from shared import lanes
from shared.augmentation_options import AnyRecipe
from shared.database import Database
from shared.errors import ConfigError, QuietCornerError, TranslatorUnavailableError
from shared.events import Event, emit
from shared.project import ProjectConfig
from shared.repository import augmentation
from shared.repository.augmentation import LabeledText, NewText
from shared.vectors import text_key
from workers.augmentation.making import (
    Candidate,
    Maker,
    Parent,
    accept,
    candidates,
    open_maker,
    rare_classes,
    waits_for_review,
)
from workers.intake.rows import normalise

# Items in one transaction: what a killed run, or a translator that fails, loses at most.
_ITEMS_AT_ONCE = 64
_EXAMPLES = 5

Advance = Callable[[int, int], None]
"""Told how many of how many items are done."""


@dataclass
class Outcome:
    """What one recipe made.

    Attributes:
        recipe: Its name.
        classes: The classes whose items it took.
        parents: Labeled items that it took.
        made: Texts that it made.
        pending: Those of them that wait for review.
        made_before: Texts that it had made and that were not dropped.
        there_already: Candidates that were left out, since they are an item of the pool or a text that was made before.
            Of items of which enough was made there are none.
        stopped: Whether it makes nothing, since too many of its texts were rejected.
        error: Why it could not go on; what it made before that is stored.
        examples: Some of the texts, each with its parent's.
    """

    recipe: str
    classes: list[str]
    parents: int = 0
    made: int = 0
    pending: int = 0
    made_before: int = 0
    there_already: int = 0
    stopped: bool = False
    error: QuietCornerError | None = None
    examples: list[dict[str, str]] = field(default_factory=list)


def make_texts(
    database: Database, project_id: int, config: ProjectConfig, recipe: AnyRecipe, *, dry_run: bool, advance: Advance
) -> Outcome:
    """Make what a recipe can still make of the labeled items, and ask for the embedding of it.

    What was made before is never made again, also not what was rejected, so the command may be repeated as labels come.

    Args:
        database: Where to.
        project_id: The project's row number.
        config: The project.
        recipe: One of its recipes.
        dry_run: Whether to store nothing.
        advance: Told after each transaction.

    Returns:
        What was made; a lexicon that can't be had or a translator that fails is its `error`.
    """
    with database.read() as session:
        labeled = augmentation.labeled_texts(session, project_id)
        before = augmentation.made_texts(session, project_id)
        stopped = recipe.name in augmentation.stopped_recipes(session, project_id, config.augmentation)
    made_before = sum(name == recipe.name for name, _, _ in before)
    outcome = Outcome(recipe.name, _classes(recipe, labeled, config), made_before=made_before, stopped=stopped)
    parents = [] if stopped else _parents(recipe, outcome.classes, labeled, before, seed=config.seed)
    outcome.parents = len(parents)
    taken = {text_key(normalise(text)) for _, _, text in before}
    try:
        maker = open_maker(recipe) if parents else None
        for start in range(0, len(parents) if maker else 0, _ITEMS_AT_ONCE):
            advance(start, len(parents))
            part = parents[start : start + _ITEMS_AT_ONCE]
            accepted = _accepted(database, project_id, recipe, maker, part, taken, outcome, seed=config.seed)
            _store(database, project_id, config, accepted, outcome, dry_run=dry_run)
            advance(start + len(part), len(parents))
    except (ConfigError, TranslatorUnavailableError) as error:
        outcome.error = error
    return outcome


def _accepted(
    database: Database,
    project_id: int,
    recipe: AnyRecipe,
    maker: Maker | None,
    parents: Sequence[Parent],
    taken: set[int],
    outcome: Outcome,
    *,
    seed: int,
) -> list[Candidate]:
    if maker is None:
        return []
    found = candidates(recipe, parents, maker(parents, seed))
    with database.read() as session:
        taken |= augmentation.keys_in_pool(session, project_id, {candidate.normal_key for candidate in found})
    outcome.there_already += len({candidate.normal_key for candidate in found} & taken)
    return accept(found, taken)


def _store(
    database: Database,
    project_id: int,
    config: ProjectConfig,
    accepted: Sequence[Candidate],
    outcome: Outcome,
    *,
    dry_run: bool,
) -> None:
    share = config.augmentation.review_share
    texts = [
        NewText(one.parent.item, one.text, waits_for_review(one, outcome.recipe, share=share, seed=config.seed))
        for one in accepted
    ]
    outcome.examples += [
        {"item_id": one.parent.item_id, "parent": one.parent.text, "text": one.text}
        for one in accepted[: _EXAMPLES - len(outcome.examples)]
    ]
    outcome.made += len(texts)
    outcome.pending += sum(text.pending for text in texts)
    if dry_run or not texts:
        return
    with database.write() as session:
        lanes.request(session, project_id, lanes.EMBED)  # first: it keeps others who make texts out until the commit
        stored = augmentation.store_texts(session, project_id, outcome.recipe, texts)
        emit(session, Event.TEXTS_AUGMENTED, project_id=project_id, recipe=outcome.recipe, texts=stored)


def _classes(recipe: AnyRecipe, labeled: Sequence[LabeledText], config: ProjectConfig) -> list[str]:
    if recipe.classes:
        return list(recipe.classes)
    counts = Counter(name for item in labeled for name in item.classes)
    return rare_classes({name: counts[name] for name in config.classes}, config.targets)


def _parents(
    recipe: AnyRecipe,
    classes: Sequence[str],
    labeled: Sequence[LabeledText],
    before: Sequence[tuple[str, int, str]],
    *,
    seed: int,
) -> list[Parent]:
    """Items of the classes of which texts are still wanted, in random order, as which gets which template is chance."""
    done = Counter(parent for name, parent, _ in before if name == recipe.name)
    parents = [
        Parent(item.item, item.item_id, item.text, recipe.per_item - done[item.item])
        for item in labeled
        if item.classes & set(classes) and done[item.item] < recipe.per_item
    ]
    order = np.random.default_rng([seed, text_key(recipe.name) & (2**63 - 1)]).permutation(len(parents))
    return [parents[place] for place in order.tolist()]
