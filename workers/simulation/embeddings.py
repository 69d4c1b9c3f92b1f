"""Vectors of texts, kept between simulations: each text is encoded once by an encoder on one machine."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from shared.database import open_database
from shared.errors import InvalidInputError
from shared.settings import Settings
from shared.urls import sqlite_url
from shared.vectors import VectorTable, append_segment, load_vectors, stored_keys
from workers.embedding.encoders import Encoder

# Texts in one transaction: what an interrupted run loses at most.
_TEXTS_AT_ONCE = 2_048
_SPACE = "cache"

Advance = Callable[[int, int], None]
"""Told how many of how many missing texts are encoded."""


def cached_vectors(
    texts: Mapping[int, str], *, encoder: Encoder, folder: Path, settings: Settings, advance: Advance
) -> VectorTable:
    """Vectors of texts, encoding only those that the cache lacks; the cache may hold others as well.

    They are the float16 values of the store, as in a live project. An encoder may give a text a value that differs
    in the last digits when other texts stand beside it, so a cache that was filled in another way may hold slightly
    different vectors.

    Args:
        texts: Text key -> text.
        encoder: Encodes what is missing.
        folder: Of the cache; made when it is not there. Simulations may share it.
        settings: Of the process; of these the database is replaced by the cache's own.
        advance: Told after each segment that was stored, and once at the start when something is missing.

    Raises:
        InvalidInputError: the folder can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"{folder}: the cache can't be made: {error}. Give another folder: --cache") from error
    own = settings.model_copy(update={"database_url": sqlite_url(folder / "embeddings.db")})
    database = open_database(own)
    try:
        with database.read() as session:
            known = set(stored_keys(session, space=_SPACE, encoder=encoder.key).tolist())
        missing = [key for key in texts if key not in known]
        for start in range(0, len(missing), _TEXTS_AT_ONCE):
            advance(start, len(missing))
            keys = missing[start : start + _TEXTS_AT_ONCE]
            vectors = encoder.encode([texts[key] for key in keys])
            with database.write() as session:
                append_segment(
                    session, space=_SPACE, encoder=encoder.key, keys=np.array(keys, dtype=np.int64), vectors=vectors
                )
            advance(start + len(keys), len(missing))
        with database.read() as session:
            return load_vectors(session, space=_SPACE, encoder=encoder.key, folder=folder / "vectors")
    finally:
        database.close()
