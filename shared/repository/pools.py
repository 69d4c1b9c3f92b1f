"""Loading the pool: rows of the database and vectors, as aligned arrays, and what a process keeps of them.

What is kept between rounds is what a load from nothing would give, since both go one way: a load from nothing reads
all that came since nothing. Where anything is in doubt (another configuration, another encoder, a database whose past
is not the known one) what is kept is thrown away.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlmodel import Session

from shared.pool import Pool
from shared.project import ProjectConfig
from shared.repository import item_changes, item_columns, pool_facts
from shared.repository.augmentation import load_augmented
from shared.repository.item_columns import ItemColumns
from shared.repository.lexical import load_features
from shared.repository.pool_assembly import Made, Parts, assemble, vector_rows
from shared.repository.pool_facts import Labels
from shared.tables import Project
from shared.vectors import load_vectors


def space_of(project_id: int) -> str:
    """The name under which a project's vectors are stored."""
    return f"project:{project_id}"


def description_space_of(project_id: int) -> str:
    """The name under which the vectors of a project's descriptions are stored: apart, as they are no items."""
    return f"{space_of(project_id)}:descriptions"


def augmented_space_of(project_id: int) -> str:
    """The name under which the vectors of a project's augmented texts are stored: apart, as they are no items."""
    return f"{space_of(project_id)}:augmented"


def encoder_in_use(session: Session, project_id: int) -> str | None:
    """Key of the encoder whose vectors the project uses; None before the first vector."""
    project = session.get_one(Project, project_id)
    return project.encoder_key


@dataclass(frozen=True)
class Kept:
    """What is known of a project's pool.

    Attributes:
        encoder: key of the encoder of its vectors.
        change: the newest entry of the feed of changed items that was read.
        made: the pool without augmented texts, and its parts.
        beside: what others keep that hangs on the vectors of items, which stay as they are as long as this goes on.
    """

    encoder: str
    change: tuple[int, float]
    made: Made
    beside: dict[str, Any]


@dataclass
class KeptPools:
    """The pools that a process keeps.

    Attributes:
        most_items: kept in all; the pool that was asked for least lately goes first.
    """

    most_items: int
    _kept: dict[int, Kept] = field(default_factory=dict)

    def load(self, session: Session, *, project_id: int, config: ProjectConfig, vector_folder: Path) -> Pool:
        """As `load_pool`, from what is kept and what came since."""
        known = self._kept.pop(project_id, None)
        kept = bring_up(session, known, project_id=project_id, config=config, vector_folder=vector_folder)
        self._kept[project_id] = kept
        while self._kept and sum(len(one.made.parts.columns.ids) for one in self._kept.values()) > self.most_items:
            del self._kept[next(iter(self._kept))]
        return _with_augmented(session, kept, project_id, config, vector_folder)

    def beside(self, project_id: int) -> dict[str, Any]:
        """What others keep beside a pool, as long as it is kept; empty at first, and each time for one that is not."""
        return self._kept[project_id].beside if project_id in self._kept else {}


def load_pool(session: Session, *, project_id: int, config: ProjectConfig, vector_folder: Path) -> Pool:
    """All embedded items of a project with their labels, in one consistent view."""
    return KeptPools(0).load(session, project_id=project_id, config=config, vector_folder=vector_folder)


def bring_up(
    session: Session, known: Kept | None, *, project_id: int, config: ProjectConfig, vector_folder: Path
) -> Kept:
    """What is known of a pool by now.

    Marks are read before what they mark: what is committed in between is read again the next time, and never left out.
    """
    encoder = encoder_in_use(session, project_id) or ""
    if known is not None and (known.made.parts.config != config or known.encoder != encoder):
        known = None
    newer = known and _newer(session, project_id, config, known)
    known = known if newer else None
    change, columns, labels = newer or _all(session, project_id, config)
    before = known.made if known else None
    parts = _read(session, project_id, config, encoder, vector_folder, before, columns=columns, labels=labels)
    pool = assemble(parts, pool_facts.open_items(session, project_id), before)
    return Kept(encoder, change, Made(parts, pool), known.beside if known else {})


_Read = tuple[tuple[int, float], ItemColumns, Labels]
"""The newest entry of the feed of changed items, items and labels."""


def _all(session: Session, project_id: int, config: ProjectConfig) -> _Read:
    change, labels = item_changes.newest(session, project_id), pool_facts.all_labels(session, project_id, config)
    return change, item_columns.with_new(session, project_id, item_columns.EMPTY), labels


def _newer(session: Session, project_id: int, config: ProjectConfig, known: Kept) -> _Read | None:
    """What is known with what came since; None where the known past is not that of the database."""
    parts = known.made.parts
    changes = item_changes.since(session, project_id, known.change)
    labels = pool_facts.with_new_labels(session, project_id, config, parts.labels)
    if changes is None or labels is None:
        return None
    columns = item_columns.with_changed(session, parts.columns, changes.items)
    return changes.newest, item_columns.with_new(session, project_id, columns), labels


def _read(
    session: Session,
    project_id: int,
    config: ProjectConfig,
    encoder: str,
    folder: Path,
    before: Made | None,
    *,
    columns: ItemColumns,
    labels: Labels,
) -> Parts:
    old = before.parts if before else None
    after = old.columns.last if old else 0
    hits = pool_facts.hits_between(session, project_id, config, after=after, last=columns.last)
    space, described = space_of(project_id), description_space_of(project_id)
    vectors = load_vectors(session, space=space, encoder=encoder, folder=folder, known=old.vectors if old else None)
    return Parts(
        config=config,
        columns=columns,
        rows=vector_rows(vectors, columns, old),
        labels=labels,
        hits=pool_facts.joined(old.hits, hits) if old else hits,
        bands=pool_facts.current_bands(session, project_id, columns, old.bands if old else None),
        vectors=vectors,
        descriptions=load_vectors(
            session, space=described, encoder=encoder, folder=folder, known=old.descriptions if old else None
        ),
        features=load_features(session, project_id, folder, known=old.features if old else None),
    )


def _with_augmented(session: Session, kept: Kept, project_id: int, config: ProjectConfig, folder: Path) -> Pool:
    pool, features = kept.made.pool, kept.made.parts.features
    if not config.augmentation.recipes:
        return pool
    made = load_vectors(session, space=augmented_space_of(project_id), encoder=kept.encoder, folder=folder)
    augmented = load_augmented(session, project_id, config=config, pool=pool, vectors=made, features=features)
    return replace(pool, augmented=augmented)
