"""Seeding rules: which of them hit a text."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ConfigError
from shared.project import Rule
from workers.intake import rules
from workers.intake.rules import Rules, hint_columns


def keywords(*words: str, name: str = "words") -> Rule:
    return Rule.model_validate({"name": name, "class": "rare", "keywords": words})


def pattern(expression: str, name: str = "pattern") -> Rule:
    return Rule.model_validate({"name": name, "class": "rare", "pattern": expression})


def hint(column: str, name: str | None = None, **options: float) -> Rule:
    return Rule.model_validate({"name": name or column, "class": "rare", "hint": column, **options})


def is_hit(rule: Rule, text: str) -> bool:
    return bool(Rules([rule]).hits(text))


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("card", "my CARD is gone"),
        ("card", "card"),
        ("card", "(card)"),
        ("stolen card", "a Stolen\n  card!"),
        ("STRASSE", "in der Straße"),
        ("café", "Un CAFÉ, s'il vous plaît"),
        ("cafe\u0301", "caf\u00e9"),
        ("id", "\uff29\uff24 please"),
        ("c++", "is c++11 hard?"),
        ("$100", "it cost $100."),
        ("ипотека", "Ипотека?"),
        ("詐欺", "これは詐欺です"),
        ("card", "我的card丢了"),
    ],
)
def test_a_keyword_hits_a_whole_word_or_phrase_whatever_its_case_width_and_space(keyword: str, text: str) -> None:
    assert is_hit(keywords("unseen", keyword), text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("card", "cards"),
        ("card", "discard"),
        ("card", "card_number"),
        ("card", "card2"),
        ("caf", "café"),
        ("stolen card", "stolen, card"),
        ("stolen card", "stolencard"),
        ("a.c", "abc"),
        ("эр", "эра"),
    ],
)
def test_a_keyword_does_not_hit_a_part_of_a_word(keyword: str, text: str) -> None:
    assert not is_hit(keywords("unseen", keyword), text)


def test_a_pattern_is_searched_in_the_text_as_it_is() -> None:
    assert is_hit(pattern(r"\d{4}-\d{4}"), "card 1234-5678!")
    assert is_hit(pattern("(?i)fraud"), "FRAUD")
    assert not is_hit(pattern("fraud"), "FRAUD")
    assert not is_hit(pattern(r"two\sspaces$"), "two  spaces")


def test_hits_come_in_the_order_of_the_project_file() -> None:
    compiled = Rules([pattern("b", "z"), keywords("a", name="y"), pattern("c", "x"), keywords("a", "b", name="w")])

    assert compiled.hits("a b c") == ["z", "y", "x", "w"]
    assert compiled.hits("c") == ["x"]
    assert compiled.hits("nothing") == []


def test_a_project_without_rules_has_no_hits() -> None:
    assert Rules([]).hits("anything") == []


words = st.lists(st.sampled_from(["card", "cards", "stolen", "a", "über", "b"]), max_size=6)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(["card", "stolen card", "a", "über"]), min_size=1), max_size=5), words)
def test_keywords_agree_with_a_plain_search_for_words(phrases: list[list[str]], text_words: list[str]) -> None:
    text = " ".join(text_words)
    named = [keywords(*some, name=f"rule-{number}") for number, some in enumerate(phrases)]

    expected = [rule.name for rule in named if any(f" {phrase} " in f" {text} " for phrase in rule.keywords)]

    assert Rules(named).hits(text) == expected


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a+b", "^c", "(?i)D", r"\bab\b", "a|c", "x*"]), max_size=6), st.text("abcdD "))
def test_asking_all_patterns_at_once_changes_no_answer(expressions: list[str], text: str) -> None:
    named = [pattern(expression, f"rule-{number}") for number, expression in enumerate(expressions)]

    expected = [rule.name for rule in named if re.search(rule.pattern or "", text)]

    assert Rules(named).hits(text) == expected


def test_a_quotation_that_is_never_closed_does_not_swallow_the_next_pattern() -> None:
    compiled = Rules([pattern(r"\Qa.b", "open"), pattern(r"\Qx\Ey", "closed")])

    assert compiled.hits("xy") == ["closed"]
    assert compiled.hits("a.b") == ["open"]


def test_a_pattern_that_would_take_for_ever_elsewhere_is_answered() -> None:
    assert not is_hit(pattern("(a+)+$"), "a" * 50_000 + "b")


def test_a_blank_keyword_is_refused_and_the_rule_is_named() -> None:
    with pytest.raises(ConfigError, match=r"rule 'words'.*' '"):
        Rules([keywords("card", " ")])


def test_a_rule_that_is_too_large_is_refused_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "_MEMORY_BYTES", 10_000)

    with pytest.raises(ConfigError, match=r"rule 'huge'.*: pattern too large"):
        Rules([keywords(*(f"{number}word" for number in range(1_000)), name="huge")])


def test_rules_that_are_too_large_only_together_still_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    named = [keywords(*(f"{number}word{rule}" for number in range(300)), name=f"rule-{rule}") for rule in range(4)]
    monkeypatch.setattr(rules, "_MEMORY_BYTES", 100_000)

    assert Rules(named).hits("7word2 8word3") == ["rule-2", "rule-3"]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), st.text(st.characters(codec="utf-8")))
def test_any_keyword_and_any_text_can_be_compared(keyword: str, text: str) -> None:
    try:
        compiled = Rules([keywords(keyword)])
    except ConfigError:
        assert not keyword.strip()
        return
    assert compiled.hits(keyword) == ["words"]
    assert compiled.hits(text) in ([], ["words"])


def test_hints_hit_from_their_threshold_on_and_score_what_they_say() -> None:
    compiled = Rules([hint("risk", at_least=0.8), keywords("card"), hint("prior", name="even")])

    assert compiled.scores("my card", (("risk", 0.9), ("prior", 0.5))) == {"risk": 0.9, "words": 1.0, "even": 0.5}
    assert compiled.scores("", (("risk", 0.79), ("prior", 0.4))) == {}
    assert compiled.scores("", (("other", 1.0),)) == {}


def test_a_description_hits_nothing_by_words() -> None:
    described = Rule.model_validate({"name": "d", "class": "rare", "description": "a stolen card"})

    assert Rules([described]).scores("a stolen card", ()) == {}


def test_each_column_that_rules_read_is_named_once() -> None:
    assert hint_columns([hint("risk"), keywords("card"), hint("age", name="a"), hint("risk", name="b")]) == (
        "risk",
        "age",
    )
