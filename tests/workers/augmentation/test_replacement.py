"""Replacement: whole words, the longest phrase, and the case in which a word stood."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.augmentation.replacement import Lexicon, table_lexicon, variants

LEXICON = table_lexicon({"charge": ["debit"], "credit card": ["bank card"], "card": ["plastic"], "c++": ["rust"]})


def all_of(text: str, lexicon: Lexicon = LEXICON) -> set[str]:
    return set(variants(text, lexicon, count=100, rng=np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("A charge.", {"A debit."}),
        ("Charge it, CHARGE!", {"Debit it, CHARGE!", "Charge it, DEBIT!", "Debit it, DEBIT!"}),
        ("my credit card", {"my bank card"}),
        ("my Credit\n card", {"my Bank card"}),
        ("charges discharge card2 re-charge", {"charges discharge card2 re-debit"}),
        ("we write c++, not c", {"we write rust, not c"}),
        ("nothing here", set()),
        ("", set()),
    ],
)
def test_whole_words_are_replaced_in_the_case_in_which_they_stood(text: str, made: set[str]) -> None:
    assert all_of(text) == made


def test_a_word_is_no_replacement_for_itself() -> None:
    assert all_of("a card", table_lexicon({"card": ["Card", "plastic"]})) == {"a plastic"}
    assert all_of("a card", table_lexicon({"card": ["card"]})) == set()


@given(text=st.text(max_size=60), seed=st.integers(0, 100))
def test_what_is_not_in_the_lexicon_stays_letter_by_letter(text: str, seed: int) -> None:
    around = f"{text} charge {text}"
    for made in variants(around, LEXICON, count=5, rng=np.random.default_rng(seed)):
        assert made != around
        there_and_back = re.sub("debit", "charge", made, flags=re.IGNORECASE)
        if LEXICON.pattern.search(text) is None and "debit" not in text.lower():
            assert there_and_back == around


def test_the_same_draws_make_the_same_texts() -> None:
    text = "charge the card, charge the credit card"
    one, two = (variants(text, LEXICON, count=10, rng=np.random.default_rng(3)) for _ in range(2))
    assert one == two
    assert variants(text, LEXICON, count=10, rng=np.random.default_rng(4)) != one
