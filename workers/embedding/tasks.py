"""Embedding tasks: give every text a vector, segment by segment, and find near duplicates as they appear."""

from collections.abc import Sequence

import numpy as np
import structlog

from shared import lanes
from shared.events import Event, emit
from shared.lanes import Claim
from shared.pool import Floats, Index
from shared.project import Rule
from shared.repository import augmentation, embedding, items, pools
from shared.vectors import VectorTable, append_segment, load_vectors
from workers.app import app
from workers.context import Context, context
from workers.embedding.encoders import Encoder, load_encoder
from workers.embedding.segments import segments
from workers.intake.duplicates import Pairs, merge_groups, near_duplicates

_log = structlog.get_logger(__name__)


@app.task(name="embedding.embed_pending")
def embed_pending(*, project_id: int) -> None:
    """Embed every text that lacks a vector; each segment is there for others as soon as it is done."""
    held = context()
    with held.lane(project_id, lanes.EMBED) as claimed:
        if claimed is None:
            return
        _, config = held.project(project_id)
        encoder = load_encoder(config.encoder, threads=held.settings.compute_threads)
        _describe(held, claimed, encoder, config.rules)
        with held.database.read() as session:
            pending = embedding.pending_texts(session, project_id, encoder=encoder.key)
        for part in segments(len(pending.keys)):
            with held.database.read() as session:
                texts = embedding.texts_of(session, pending.items[part].tolist())
            vectors = encoder.encode(texts)
            _store(held, claimed, encoder.key, config.near_duplicate_cosine, pending.keys[part], vectors)
            _log.info("texts.embedded", done=part.stop, of=len(pending.keys))
        _embed_augmented(held, claimed, encoder)
        with held.database.write() as session:
            lanes.complete(session, claimed)


def _describe(held: Context, claimed: Claim, encoder: Encoder, rules: Sequence[Rule]) -> None:
    """Give the descriptions of seeding rules their vectors; before the texts, since the first batch looks at them."""
    with held.database.read() as session:
        lacking = embedding.pending_descriptions(session, claimed.project_id, rules=rules, encoder=encoder.key)
    if not lacking:
        return
    _store_apart(held, claimed, encoder, pools.description_space_of(claimed.project_id), lacking)


def _embed_augmented(held: Context, claimed: Claim, encoder: Encoder) -> None:
    """Give augmented texts their vectors; after the items, without which nothing can be chosen."""
    space = pools.augmented_space_of(claimed.project_id)
    with held.database.read() as session:
        lacking = augmentation.lacking_vectors(session, claimed.project_id, space=space, encoder=encoder.key)
    texts = list(lacking.items())
    for part in segments(len(texts)):
        _store_apart(held, claimed, encoder, space, dict(texts[part]))
        _log.info("augmented_texts.embedded", done=part.stop, of=len(texts))


def _store_apart(held: Context, claimed: Claim, encoder: Encoder, space: str, texts: dict[int, str]) -> None:
    """Encode what is no item, by text key, and store it as one segment of a space of its own."""
    vectors = encoder.encode(list(texts.values()))
    with held.database.write() as session:
        lanes.confirm(session, claimed)
        append_segment(
            session, space=space, encoder=encoder.key, keys=np.array(list(texts), dtype=np.int64), vectors=vectors
        )


def _store(held: Context, claimed: Claim, encoder: str, threshold: float, keys: Index, vectors: Floats) -> None:
    project_id, space = claimed.project_id, pools.space_of(claimed.project_id)
    with held.database.read() as session:
        known = load_vectors(session, space=space, encoder=encoder, folder=held.vector_folder)
        first = embedding.first_items(session, project_id)
    pairs = _near_duplicates(keys, vectors, known, first, threshold)
    with held.database.write() as session:
        lanes.confirm(session, claimed)
        append_segment(session, space=space, encoder=encoder, keys=keys, vectors=vectors)
        embedding.use_encoder(session, project_id, encoder)
        groups = embedding.duplicate_groups(session, np.unique(pairs).tolist())
        items.set_duplicate_groups(session, project_id, merge_groups(pairs, groups))
        for room in (lanes.ROUND, lanes.DRIFT):
            lanes.request(session, project_id, room)
        emit(session, Event.ITEMS_EMBEDDED, project_id=project_id, texts=len(keys))
    held.relay()


def _near_duplicates(
    keys: Index, vectors: Floats, known: VectorTable, first: dict[int, int], threshold: float
) -> Pairs:
    """Pairs of row numbers; one item stands for all that have the same text, which are one group already."""
    return near_duplicates(
        new_ids=np.array([first[key] for key in keys.tolist()], dtype=np.int64),
        new=vectors.astype(np.float16),
        known_ids=np.array([first[key] for key in known.keys.tolist()], dtype=np.int64),
        known=known.matrix[known.rows],
        threshold=threshold,
    )
