"""The lexicon: which words a text holds, as a few numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.simulation.made_up import WordEncoder
from workers.embedding.lexicon import (
    DIMENSIONS,
    FEWEST_TEXTS,
    MOST_TEXTS,
    LexicalEncoder,
    Lexicon,
    texts_to_learn_from,
)

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


@given(count=st.integers(0, 7_000), repeated=st.integers(0, 500), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_it_is_made_of_the_same_texts_in_whatever_order_and_however_often_they_come(
    count: int, repeated: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    keys = rng.integers(-(2**62), 2**62, size=count)
    again = rng.permutation(np.concatenate([keys, keys[:repeated]]))
    drawn, of_again = texts_to_learn_from(keys, seed=seed), texts_to_learn_from(again, seed=seed)
    if count < FEWEST_TEXTS:
        assert drawn is of_again is None
        return
    assert drawn is not None
    assert of_again is not None
    assert keys[drawn].tolist() == again[of_again].tolist()
    assert len(set(keys[drawn].tolist())) == len(drawn) == min(count, MOST_TEXTS)
