"""Making: what is new is taken, so many of each item, and always the same."""

import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.augmentation_options import Replace, Templates, WordNet
from shared.errors import ConfigError
from shared.vectors import text_key
from workers.augmentation.making import (
    LONGEST_TEXT,
    Candidate,
    Parent,
    accept,
    candidates,
    open_maker,
    rare_classes,
    waits_for_review,
)
from workers.augmentation.wordnet import wordnet_lexicon
from workers.intake.rows import normalise

WORDS = Replace(name="w", kind="replace", words={"card": ("plastic", "visa"), "stolen": ("lost", "gone")})
SENTENCES = Templates(
    name="t",
    kind="templates",
    classes=("rare",),
    templates=("{who} took {what}!",),
    slots={"who": ("He", "She"), "what": ("it", "{who}")},
)


def parent(number: int, text: str = "stolen card", wanted: int = 3) -> Parent:
    return Parent(number, f"i{number}", text, wanted)


def keys(found: list[Candidate]) -> list[int]:
    return [text_key(normalise(one.text)) for one in found]


def test_templates_fill_every_slot_once_and_leave_other_braces() -> None:
    made = open_maker(SENTENCES)([parent(1, wanted=20)], 0)
    assert set(made[0]) == {"He took it!", "She took it!", "He took {who}!", "She took {who}!"}


def test_what_is_made_of_an_item_does_not_depend_on_the_others_and_follows_the_seed() -> None:
    maker = open_maker(WORDS)
    alone, among = maker([parent(2)], 0)[0], maker([parent(1), parent(2)], 0)[1]
    assert alone == among
    assert maker([parent(2)], 1)[0] != alone


@given(
    texts=st.lists(st.lists(st.sampled_from(["a", "A", "b", "c ", "c", "d"]), max_size=6), max_size=5),
    wanted=st.integers(0, 3),
    taken=st.sets(st.sampled_from(["a", "b", "x"])),
)
def test_nothing_is_taken_twice_or_of_the_pool_or_more_of_an_item_than_is_wanted(
    texts: list[list[str]], wanted: int, taken: set[str]
) -> None:
    parents = [parent(number, wanted=wanted) for number in range(len(texts))]
    known = {text_key(text) for text in taken}
    accepted = accept(candidates(WORDS, parents, texts), set(known))

    assert len(set(keys(accepted))) == len(accepted)
    assert not known & set(keys(accepted))
    assert all(count <= wanted for count in Counter(one.parent.item for one in accepted).values())
    if wanted == 3:  # of what is left out, each text is there, or its items have all that they want
        made_of = Counter(one.parent.item for one in accepted)
        for number, some in enumerate(texts):
            assert made_of[number] == 3 or {text_key(normalise(text)) for text in some} <= known | set(keys(accepted))


def test_every_item_has_its_first_text_before_any_has_its_second() -> None:
    found = candidates(WORDS, [parent(1), parent(2)], [["a", "b"], ["c", "d"]])
    assert [(one.parent.item, one.text) for one in found] == [(1, "a"), (2, "c"), (1, "b"), (2, "d")]


@pytest.mark.parametrize("text", ["", " \n", "nul\0", "half \ud800", "x" * 300])
def test_what_cannot_be_an_item_or_has_grown_wild_is_left_out(text: str) -> None:
    assert candidates(WORDS, [parent(1)], [[text]]) == []


def test_a_template_may_be_long_however_short_its_item_is() -> None:
    texts = ["x" * LONGEST_TEXT, "x" * (LONGEST_TEXT + 1)]
    assert [len(one.text) for one in candidates(SENTENCES, [parent(1)], [texts])] == [LONGEST_TEXT]


def test_about_the_wanted_share_waits_for_review_and_always_the_same_texts() -> None:
    found = candidates(WORDS, [parent(1)], [[f"text {number}" for number in range(1_000)]])
    waiting = [waits_for_review(one, "w", share=0.2, seed=0) for one in found]
    assert 150 < sum(waiting) < 250
    assert waiting == [waits_for_review(one, "w", share=0.2, seed=0) for one in found]
    assert not any(waits_for_review(one, "w", share=0.0, seed=0) for one in found)
    assert all(waits_for_review(one, "w", share=1.0, seed=0) for one in found)


def test_rare_is_what_lacks_labels_to_its_target_or_to_half_an_even_share() -> None:
    counts = {"common": 90, "second": 16, "few": 14, "none": 0}
    assert rare_classes(counts, {}) == ["few"]
    assert rare_classes(counts, {"common": 100, "few": 14}) == ["common"]


def test_a_lexicon_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "l.toml").write_text('card = ["plastic"]\n"stolen card" = ["theft"]\n', encoding="utf-8")
    recipe = Replace(name="w", kind="replace", lexicon=str(tmp_path / "l.toml"))
    assert set(open_maker(recipe)([parent(1)], 0)[0]) == {"theft"}


@pytest.mark.parametrize(
    "content", ["card = 3", "card = []", 'card = [""]', "[card]\na = 1", "card", "", '" " = ["a"]']
)
def test_a_lexicon_that_is_none_is_refused_with_what_is_expected(tmp_path: Path, content: str) -> None:
    path = tmp_path / "l.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the lexicon .*l\.toml"):
        open_maker(Replace(name="w", kind="replace", lexicon=str(path)))


def test_a_missing_lexicon_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml can't be read"):
        open_maker(Replace(name="w", kind="replace", lexicon=str(tmp_path / "none.toml")))


def has_wordnet() -> bool:
    try:
        wordnet_lexicon()
    except ConfigError:
        return False
    return True


@pytest.mark.skipif(not has_wordnet(), reason="nltk or WordNet's data is not installed")
def test_wordnet_replaces_base_forms_of_words_and_leaves_others() -> None:
    maker = open_maker(WordNet(name="s", kind="wordnet"))
    made = maker([parent(1, "The car and THE Car, but which cars?", wanted=10)], 0)[0]
    assert made
    assert all(text.startswith("The ") and " THE " in text and text.endswith(" cars?") for text in made)


def test_without_nltk_wordnet_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk.corpus", None)  # as an import of what is not installed fails
    with pytest.raises(ConfigError, match="pip install"):
        open_maker(WordNet(name="s", kind="wordnet"))


def test_without_its_data_wordnet_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reader:
        """What nltk gives for a corpus that it does not find."""

        def ensure_loaded(self) -> None:
            raise LookupError("Resource wordnet not found.")

    corpus = ModuleType("nltk.corpus")
    corpus.wordnet = Reader()  # type: ignore[attr-defined] # stands in for nltk, which tests can't ask for
    monkeypatch.setitem(sys.modules, "nltk.corpus", corpus)
    with pytest.raises(ConfigError, match=r"nltk\.downloader wordnet"):
        open_maker(WordNet(name="s", kind="wordnet"))
