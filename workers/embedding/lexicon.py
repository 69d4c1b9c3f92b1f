"""Lexical features: which words and parts of words a text holds, as a few numbers beside its vector. Pure.

Words and pairs of words, and runs of three to five characters within a word, are hashed into buckets, so that no
vocabulary is kept (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009). Their numbers
count by the logarithm and by how few of the pool's texts hold them, and are projected on the directions in which these
differ most (Deerwester et al., "Indexing by Latent Semantic Analysis", 1990). A sentence encoder reads for the meaning
and passes over what a text is written like: the numbers, prices and spellings that give spam away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from shared.pool import Floats, Index
from workers.embedding.encoders import Encoder

# Numbers a text. With twice as many, macro-F1 of 100 to 1,000 labels was no higher on SMS spam and HWU64.
DIMENSIONS = 128
# Fewer texts are no picture of a pool; more than the latter tell nothing more of it. Macro-F1 of 300 and 1,000 labels
# of SMS spam and tweets was as high with a lexicon of 500 texts as with one of 5,000, so none is made anew as a pool
# grows.
FEWEST_TEXTS, MOST_TEXTS = 500, 5_000

# Of words, and as many of characters.
_BUCKETS = 2**14
# What one text alone holds says nothing of others.
_FEWEST_HOLDERS = 2
_PASSES, _SPARE = 2, 8

HASHING: tuple[dict[str, Any], ...] = (
    {"analyzer": "word", "ngram_range": (1, 2), "n_features": _BUCKETS},
    {"analyzer": "char_wb", "ngram_range": (3, 5), "n_features": _BUCKETS},
)
"""Arguments of scikit-learn's `HashingVectorizer`, of words and of characters; without signs and norm."""


@dataclass(frozen=True)
class Lexicon:
    """What turns texts into lexical features.

    Attributes:
        rarity: (b,) float32, inverse document frequency of each bucket; 0 for one that is left out.
        axes: (b, DIMENSIONS) float32, where each bucket points.
    """

    rarity: Floats
    axes: Floats

    @classmethod
    def fit(cls, texts: Sequence[str], *, seed: int) -> Self:
        """Learn from texts that stand for the pool; the same texts and seed give the same lexicon."""
        # Here and below: it takes a second, for which only those wait who count words.
        from sklearn.utils.extmath import randomized_svd

        counted = _counted(texts)
        holders = np.asarray((counted > 0).sum(axis=0)).ravel()
        rarity = np.where(holders >= _FEWEST_HOLDERS, np.log((1 + len(texts)) / (1 + holders)) + 1, 0)
        weighed = _weighed(counted, rarity.astype(np.float32))
        wanted = min(DIMENSIONS, len(texts) - 1)
        _, _, found = randomized_svd(weighed, wanted, n_iter=_PASSES, n_oversamples=_SPARE, random_state=seed)
        axes = np.zeros((len(rarity), DIMENSIONS), dtype=np.float32)
        axes[:, :wanted] = found.T
        return cls.of_table(np.column_stack([rarity, axes]).astype(np.float16))

    @classmethod
    def of_table(cls, table: NDArray[np.float16]) -> Self:
        """Read what `table` gave."""
        return cls(table[:, 0].astype(np.float32), table[:, 1:].astype(np.float32))

    @property
    def table(self) -> NDArray[np.float16]:
        """(b, 1 + DIMENSIONS): the lexicon as vectors of its buckets, which is how it is stored."""
        return np.column_stack([self.rarity, self.axes]).astype(np.float16)

    def features(self, texts: Sequence[str]) -> Floats:
        """(len(texts), DIMENSIONS) float32, each row of a length of 1 at most."""
        found: Floats = np.asarray(_weighed(_counted(texts), self.rarity) @ self.axes, dtype=np.float32)
        return found


@dataclass(frozen=True)
class LexicalEncoder:
    """An encoder whose vectors have lexical features beside them: what a model that was taught both is asked with."""

    encoder: Encoder
    lexicon: Lexicon

    @property
    def key(self) -> str:
        """The encoder's."""
        return self.encoder.key

    def encode(self, texts: Sequence[str]) -> Floats:
        """(len(texts), d + DIMENSIONS) float32: unit vectors, and features."""
        found: Floats = np.column_stack([self.encoder.encode(texts), self.lexicon.features(texts)])
        return found


def texts_to_learn_from(keys: Index, *, seed: int) -> Index | None:
    """Places of the texts that a lexicon is made of, given the keys (n,) of all; None while there are too few.

    They hang on which texts there are, and neither on their order nor on how often one occurs: so a simulated run makes
    the lexicon that a live one makes of the same texts.
    """
    distinct, first = np.unique(keys, return_index=True)
    if len(distinct) < FEWEST_TEXTS:
        return None
    drawn: Index = first[np.sort(np.random.default_rng(seed).permutation(len(distinct))[:MOST_TEXTS])]
    return drawn


def _counted(texts: Sequence[str]) -> csr_matrix:
    """(n, b) how often each text holds what falls into each bucket, by the logarithm."""
    from sklearn.feature_extraction.text import HashingVectorizer

    parts = [
        HashingVectorizer(norm=None, alternate_sign=False, dtype=np.float32, **options).transform(texts)
        for options in HASHING
    ]
    for part in parts:
        part.data = 1 + np.log(part.data)
    return hstack(parts, format="csr")


def _weighed(counted: csr_matrix, rarity: Floats) -> csr_matrix:
    """Each bucket by its rarity, words and characters to the same length and together to 1."""
    from sklearn.preprocessing import normalize

    scaled = counted.multiply(rarity[None, :]).tocsr()
    halves = [normalize(scaled[:, :_BUCKETS]), normalize(scaled[:, _BUCKETS:])]
    return hstack(halves, format="csr") * np.float32(np.sqrt(0.5))
