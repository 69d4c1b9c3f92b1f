"""Lexical features in the vector store: those of a project's texts, and what makes them, its lexicon.

A lexicon is a table with a row for each of its buckets, so it is stored like vectors, with the bucket's number as key.
It is made once a project; features stand under the key of their text and hang on no encoder.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from shared.pool import Floats, Index, Lexical
from shared.vectors import VectorTable, append_segment, load_vectors, stored_keys

# In the place of an encoder's key: another way of making lexical features would get another.
KEY = "lexicon.v1"


def lexical_space_of(project_id: int) -> str:
    """The name under which the lexical features of a project's texts are stored."""
    return f"project:{project_id}:lexical"


def lexicon_space_of(project_id: int) -> str:
    """The name under which a project's lexicon is stored."""
    return f"project:{project_id}:lexicon"


def store_lexicon(session: Session, project_id: int, table: NDArray[np.float16]) -> None:
    """Store a project's lexicon (b, 1 + k); it has none yet."""
    keys = np.arange(len(table), dtype=np.int64)
    append_segment(session, space=lexicon_space_of(project_id), encoder=KEY, keys=keys, vectors=table)


def load_lexicon(session: Session, project_id: int, folder: Path) -> NDArray[np.float16] | None:
    """The table (b, 1 + k) of a project's lexicon; None as long as it has none."""
    found = load_vectors(session, space=lexicon_space_of(project_id), encoder=KEY, folder=folder)
    return np.asarray(found.matrix[found.rows]) if len(found.keys) else None


def store_features(session: Session, project_id: int, keys: Index, features: Floats) -> None:
    """Store the features (n, k) of texts, by text key (n,)."""
    append_segment(session, space=lexical_space_of(project_id), encoder=KEY, keys=keys, vectors=features)


def featured_keys(session: Session, project_id: int) -> Index:
    """Text keys (n,) of the texts that have features."""
    return stored_keys(session, space=lexical_space_of(project_id), encoder=KEY)


def load_features(session: Session, project_id: int, folder: Path, *, known: VectorTable | None = None) -> VectorTable:
    """The features of a project's texts; `known` as for `load_vectors`."""
    return load_vectors(session, space=lexical_space_of(project_id), encoder=KEY, folder=folder, known=known)


def lexical_beside(vectors: VectorTable, features: VectorTable) -> Lexical | None:
    """The features of all texts that have vectors; None unless every one has them."""
    rows = features.locate(vectors.keys)
    if not len(rows) or (rows < 0).any():
        return None
    of_row = np.zeros(len(vectors.matrix), dtype=np.int64)
    of_row[vectors.rows] = rows
    return Lexical(features.matrix, of_row)
