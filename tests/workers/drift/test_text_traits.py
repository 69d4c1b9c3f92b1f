import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.drift.text_traits import NAMES, SCRIPTS, edges_of, measure


def _of(text: str) -> dict[str, float]:
    return dict(zip(NAMES, measure([text]).values[0].tolist(), strict=True))


def test_a_text_is_measured_by_its_characters() -> None:
    found = _of("Pay 200 EUR now! https://pay.example")

    assert found["length"] == 36
    assert found["word length"] == pytest.approx(32 / 5)
    assert found["digits"] == pytest.approx(3 / 32)
    assert found["capitals"] == pytest.approx(4 / 32)
    assert found["marks"] == pytest.approx(5 / 32)
    assert found["beyond ASCII"] == 0.0
    assert found["links"] == 1.0


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Grüße", "Latin"),
        ("привет, Welt", "Cyrillic"),
        ("καλημέρα", "Greek"),
        ("שלום", "Hebrew"),
        ("مرحبا", "Arabic"),
        ("नमस्ते", "Indic"),
        ("日本語です", "East Asian"),
        ("안녕", "East Asian"),
        ("𠀀𠀁", "East Asian"),
        ("123 !?", "none"),
        ("😀", "none"),
        ("", "none"),
    ],
)
def test_the_script_is_that_of_most_letters(text: str, script: str) -> None:
    assert SCRIPTS[int(_of(text)["script"])] == script


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=20))
def test_a_text_is_measured_alike_whatever_stands_beside_it(texts: list[str]) -> None:
    together = measure(texts).values

    assert np.isfinite(together).all()
    np.testing.assert_array_equal(together, np.concatenate([measure([text]).values for text in texts]))
    assert (together[:, 2:6] >= 0).all()
    assert (together[:, 2:6].sum(axis=1) <= 2.0).all()


def test_a_long_text_is_cut_for_its_characters_but_not_for_its_length() -> None:
    found = _of("a" * 500 + "1" * 500)

    assert (found["length"], found["digits"]) == (1_000.0, 0.0)


def test_tenths_that_are_equal_are_one_category() -> None:
    texts = ["no digit here"] * 95 + ["1" * number for number in range(1, 6)]
    traits = measure(texts)
    edges = edges_of(traits)

    digits = traits.categories(edges)[:, NAMES.index("digits")]
    assert len(edges["digits"]) == 1
    assert digits.tolist() == [0] * 95 + [1] * 5


def test_categories_hold_about_a_tenth_each() -> None:
    rng = np.random.default_rng(0)
    traits = measure(["x" * int(length) for length in rng.permutation(1_000)])

    counts = np.bincount(traits.categories(edges_of(traits))[:, 0])

    assert len(counts) == 10
    assert counts == pytest.approx(np.full(10, 100), abs=2)
