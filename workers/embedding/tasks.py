"""Embedding tasks: give every text a vector, segment by segment, and find near duplicates as they appear; and lexical
features, unless the project does without."""

from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice

import numpy as np
import structlog

from shared import lanes
from shared.arrays import dump_arrays, load_arrays
from shared.errors import ConfigError
from shared.events import Event, emit
from shared.lanes import Claim
from shared.pool import Index
from shared.project import Rule
from shared.repository import augmentation, embedding, items, lexical, pools
from shared.vectors import Vectors, VectorTable, append_segment, load_vectors, text_key
from workers import right_of_way
from workers.app import app
from workers.context import Context, context
from workers.embedding.encoders import Encoder, load_encoder
from workers.embedding.known import KnownTexts
from workers.embedding.lexicon import Lexicon, texts_to_learn_from
from workers.embedding.segments import runs, segments
from workers.hints import call_helpers
from workers.intake.duplicates import merge_groups
from workers.sharing import Arrays, Board, Helper, Parts, Sharing, take_seat

_log = structlog.get_logger(__name__)


@app.task(name="embedding.embed_pending")
def embed_pending(*, project_id: int) -> None:
    """Embed every text that lacks a vector; each segment is there for others as soon as it is done."""
    held = context()
    with held.lane(project_id, lanes.EMBED) as claimed, right_of_way.behind(held.settings.folder):
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
        with closing(_vectors(held, claimed, encoder, pending)) as encoded:
            for part in segments(len(pending.keys)):
                vectors = np.concatenate(list(islice(encoded, len(runs(part.stop - part.start)))))
                if lexicon:  # before the vectors, so that every text with a vector has features too
                    _store_features(held, claimed, lexicon, pending.keys[part], _texts(held, pending.items[part]))
                stored = _store(
                    held, claimed, encoder.key, config.near_duplicate_cosine, known, stored, pending.keys[part], vectors
                )
                _log.info("texts.embedded", done=part.stop, of=len(pending.keys))
        _embed_augmented(held, claimed, encoder)
        if lexicon or config.training.lexical:
            _add_features(held, claimed, lexicon, seed=config.seed)
        with held.database.write() as session:
            lanes.complete(session, claimed)
            lanes.request(session, project_id, lanes.DRIFT)  # items whose texts were known have made no segment


@app.task(name="embedding.encode_part")
def encode_part(*, project_id: int, token: int, encoder: str) -> None:
    """Help the worker that embeds a project: encode the next of its runs of texts that is open, if one is."""
    held, seat = context(), {"project_id": project_id, "token": token, "encoder": encoder}
    with held.database.read() as session:
        holding = lanes.claim_of_another(session, project_id=project_id, room=lanes.EMBED, token=token)
    if holding is None:
        return
    take_seat(
        Board.of(held.settings, holding),
        prepare=lambda: _helper(held, project_id, encoder),
        pass_on=lambda: call_helpers(encode_part.name, 1, seat),
    )


def _helper(held: Context, project_id: int, wanted: str) -> Helper | None:
    """What encodes a run as the holder does; None with other weights than the holder's."""
    _, config = held.project(project_id)
    encoder = load_encoder(config.encoder, threads=held.settings.compute_threads)
    if encoder.key != wanted:
        _log.warning("part.of_another_encoder", ours=encoder.key, wanted=wanted)
        return None
    return lambda asked: _answer(held, encoder, asked)


def _answer(held: Context, encoder: Encoder, asked: bytes) -> Arrays:
    arrays, _ = load_arrays(asked)
    texts = _texts(held, arrays["items"])
    if [text_key(text) for text in texts] != arrays["keys"].tolist():
        raise ConfigError(
            "the worker that shares its texts has others under the same numbers. DATABASE_URL names another database "
            "here than there: mend it, or let REDIS_URL name another Redis."
        )
    return _encoded(encoder, texts)


def _vectors(
    held: Context, claimed: Claim, encoder: Encoder, pending: embedding.PendingTexts
) -> Generator[Vectors, None, None]:
    """The vectors of all that is pending, run by run, in order; workers that are free do some of the runs."""
    parts = runs(len(pending.keys))
    seat = {"project_id": claimed.project_id, "token": claimed.token, "encoder": encoder.key}
    sharing = Sharing(
        held.settings,
        claimed,
        Parts(
            count=len(parts),
            ask=lambda number: dump_arrays(
                {"items": pending.items[parts[number]], "keys": pending.keys[parts[number]]}, {"encoder": encoder.key}
            ),
            do=lambda number: _encoded(encoder, _texts(held, pending.items[parts[number]])),
            call=lambda seats: call_helpers(encode_part.name, seats, seat),
        ),
    )
    with closing(sharing.results()) as results:
        for result in results:
            yield result["vectors"]


def _encoded(encoder: Encoder, texts: Sequence[str]) -> Arrays:
    """One run's `vectors`: (k, d) float16, as precisely as they are stored."""
    return {"vectors": encoder.encode(texts).astype(np.float16)}


def _texts(held: Context, items_: Index) -> list[str]:
    with held.database.read() as session:
        return embedding.texts_of(session, items_.tolist())


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
        _store_features(held, claimed, lexicon, lacking.keys[part], _texts(held, lacking.items[part]))
        _log.info("texts.featured", done=part.stop, of=len(lacking.keys))
    if made:
        _store_features(held, claimed, lexicon, np.array(list(made), dtype=np.int64), list(made.values()))
    if len(lacking.keys) or made:
        with held.database.write() as session:
            lanes.request(session, project_id, lanes.ROUND)


def _make_lexicon(held: Context, claimed: Claim, lacking: embedding.PendingTexts, *, seed: int) -> Lexicon | None:
    """Learn a lexicon from random texts of the project and store it; None while they are too few."""
    drawn = texts_to_learn_from(lacking.keys, seed=seed)
    if drawn is None:
        return None
    texts = _texts(held, lacking.items[drawn])
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
    vectors: Vectors,
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
