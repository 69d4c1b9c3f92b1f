"""The lexicon: which words a text holds, as a few numbers."""

import numpy as np
import pytest

from tests.workers.simulation.made_up import WordEncoder
from workers.embedding.lexicon import DIMENSIONS, LexicalEncoder, Lexicon

WORDS = ("invoice", "delivery", "praise", "refund", "fraud", "account", "password", "gift")
TEXTS = [f"{WORDS[n % 8]} and {WORDS[(n * 3 + n // 8) % 8]} number {n % 50}" for n in range(400)]
LEXICON = Lexicon.fit(TEXTS, seed=0)


def cosine(one: str, other: str) -> float:
    found = LEXICON.features([one, other])
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return float(found[0] @ found[1])


def test_texts_of_the_same_words_are_near_to_each_other() -> None:
    assert cosine("a refund for the account", "the account gets a refund") > 0.8
    assert cosine("a refund for the account", "praise of the delivery") < 0.3


def test_a_word_is_known_by_its_parts() -> None:
    assert cosine("passwords", "password") > 0.5 > cosine("passwords", "deliveries")


def test_features_have_the_length_of_one_at_most() -> None:
    lengths = np.linalg.norm(LEXICON.features([*TEXTS[:50], "", "?", "quite other things"]), axis=1)
    assert (lengths <= 1 + 1e-3).all()
    assert lengths[-3] == 0


def test_the_features_of_a_text_do_not_hang_on_those_beside_it() -> None:
    alone = np.concatenate([LEXICON.features([text]) for text in TEXTS[:20]])
    assert LEXICON.features(TEXTS[:20]) == pytest.approx(alone, abs=1e-6)


def test_a_lexicon_that_was_stored_gives_the_same_features() -> None:
    stored = Lexicon.of_table(LEXICON.table)
    assert np.array_equal(stored.features(TEXTS[:20]), LEXICON.features(TEXTS[:20]))


def test_the_same_texts_and_seed_give_the_same_lexicon() -> None:
    assert np.array_equal(Lexicon.fit(TEXTS, seed=0).table, LEXICON.table)


def test_few_texts_leave_the_other_numbers_empty() -> None:
    few = Lexicon.fit(TEXTS[:20], seed=0)
    assert few.features(TEXTS[:5]).shape == (5, DIMENSIONS)
    assert not few.axes[:, 19:].any()


def test_a_lexical_encoder_puts_features_behind_the_vectors_of_the_encoder() -> None:
    encoder = WordEncoder()
    found = LexicalEncoder(encoder, LEXICON).encode(TEXTS[:3])
    vectors = encoder.encode(TEXTS[:3])
    assert np.array_equal(found[:, : vectors.shape[1]], vectors)
    assert np.array_equal(found[:, vectors.shape[1] :], LEXICON.features(TEXTS[:3]))
