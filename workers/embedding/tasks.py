"""Embedding tasks: give every text a vector, segment by segment, and find near duplicates as they appear; and lexical
features, where the project wants them."""

from collections.abc import Sequence

import numpy as np
import structlog

from shared import lanes
from shared.events import Event, emit
from shared.lanes import Claim
from shared.pool import Floats, Index
from shared.project import Rule
from shared.repository import augmentation, embedding, items, lexical, pools
from shared.vectors import VectorTable, append_segment, load_vectors
from workers.app import app
from workers.context import Context, context
from workers.embedding.encoders import Encoder, load_encoder
from workers.embedding.known import KnownTexts
from workers.embedding.lexicon import FEWEST_TEXTS, MOST_TEXTS, Lexicon
from workers.embedding.segments import segments
from workers.intake.duplicates import merge_groups

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
            known = KnownTexts(*embedding.first_items(session, project_id))
        stored: VectorTable | None = None
        lexicon = _known_lexicon(held, project_id)
        for part in segments(len(pending.keys)):
            with held.database.read() as session:
                texts = embedding.texts_of(session, pending.items[part].tolist())
            vectors = encoder.encode(texts)
            if lexicon:  # before the vectors, so that every text with a vector has features too
                _store_features(held, claimed, lexicon, pending.keys[part], texts)
            stored = _store(
                held, claimed, encoder.key, config.near_duplicate_cosine, known, stored, pending.keys[part], vectors
            )
            _log.info("texts.embedded", done=part.stop, of=len(pending.keys))
        _embed_augmented(held, claimed, encoder)
        if lexicon or config.training.lexical:
            _add_features(held, claimed, lexicon, seed=config.seed)
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


def _known_lexicon(held: Context, project_id: int) -> Lexicon | None:
    with held.database.read() as session:
        table = lexical.load_lexicon(session, project_id, held.vector_folder)
    return None if table is None else Lexicon.of_table(table)


def _add_features(held: Context, claimed: Claim, lexicon: Lexicon | None, *, seed: int) -> None:
    """Give lexical features to the texts that lack them: to all when the lexicon is made, and to augmented ones."""
    project_id = claimed.project_id
    with held.database.read() as session:
        lacking = embedding.unfeatured_texts(session, project_id)
        made = augmentation.lacking_vectors(
            session, project_id, space=lexical.lexical_space_of(project_id), encoder=lexical.KEY
        )
    lexicon = lexicon or _make_lexicon(held, claimed, lacking, seed=seed)
    if lexicon is None:
        return
    for part in segments(len(lacking.keys)):
        with held.database.read() as session:
            texts = embedding.texts_of(session, lacking.items[part].tolist())
        _store_features(held, claimed, lexicon, lacking.keys[part], texts)
        _log.info("texts.featured", done=part.stop, of=len(lacking.keys))
    if made:
        _store_features(held, claimed, lexicon, np.array(list(made), dtype=np.int64), list(made.values()))
    if len(lacking.keys) or made:
        with held.database.write() as session:
            lanes.request(session, project_id, lanes.ROUND)


def _make_lexicon(held: Context, claimed: Claim, lacking: embedding.PendingTexts, *, seed: int) -> Lexicon | None:
    """Learn a lexicon from random texts of the project and store it; None while they are too few."""
    if len(lacking.keys) < FEWEST_TEXTS:
        return None
    drawn = np.sort(np.random.default_rng(seed).permutation(len(lacking.keys))[:MOST_TEXTS])
    with held.database.read() as session:
        texts = embedding.texts_of(session, lacking.items[drawn].tolist())
    lexicon = Lexicon.fit(texts, seed=seed)
    with held.database.write() as session:
        lanes.confirm(session, claimed)
        lexical.store_lexicon(session, claimed.project_id, lexicon.table)
    _log.info("lexicon.made", texts=len(texts))
    return lexicon


def _store_features(held: Context, claimed: Claim, lexicon: Lexicon, keys: Index, texts: Sequence[str]) -> None:
    with held.database.read() as session:
        lacking = np.flatnonzero(~np.isin(keys, lexical.featured_keys(session, claimed.project_id)))
    if not len(lacking):
        return
    features = lexicon.features([texts[place] for place in lacking.tolist()])
    with held.database.write() as session:
        lanes.confirm(session, claimed)
        lexical.store_features(session, claimed.project_id, keys[lacking], features)


def _store(
    held: Context,
    claimed: Claim,
    encoder: str,
    threshold: float,
    known: KnownTexts,
    stored: VectorTable | None,
    keys: Index,
    vectors: Floats,
) -> VectorTable:
    """Store one segment and the groups of its near duplicates; what was stored before it, to be given to the next call
    as `stored`."""
    project_id, space = claimed.project_id, pools.space_of(claimed.project_id)
    with held.database.read() as session:
        stored = load_vectors(session, space=space, encoder=encoder, folder=held.vector_folder, known=stored)
    pairs = known.near_duplicates(keys, vectors, stored, threshold=threshold)
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
    return stored
