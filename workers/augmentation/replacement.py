"""Replacing words and phrases of a text by others: whole words, in the case in which they stood. Pure.

Replacing some words by synonyms is the part of EDA (Wei and Zou, "EDA: Easy Data Augmentation Techniques for Boosting
Performance on Text Classification Tasks", 2019, section 2) that needs a lexicon. EDA's random insertions, swaps and
deletions are left out: whoever reviews texts should see sentences.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Lookup = Callable[[str], Sequence[str]]
"""What may stand in the place of a word; nothing where it stays."""


@dataclass(frozen=True)
class Lexicon:
    """What can be replaced.

    Attributes:
        pattern: Finds words and phrases that may be in the lexicon.
        lookup: Gives their replacements.
        share: Of the replaceable words of a text, how many are replaced on average; one is always.
    """

    pattern: re.Pattern[str]
    lookup: Lookup
    share: float


@dataclass(frozen=True)
class _Place:
    start: int
    end: int
    found: str
    replacements: Sequence[str]


def table_lexicon(words: Mapping[str, Sequence[str]]) -> Lexicon:
    """The lexicon of a table; where two phrases begin at one place the longer one counts. Case makes no difference.

    The words are the user's choice for these texts, so each is replaced with a probability of one half.
    """
    folded = {_plain(word): [one for one in others if _plain(one) != _plain(word)] for word, others in words.items()}
    longest_first = sorted(folded, key=len, reverse=True)
    alternatives = "|".join(r"\s+".join(map(re.escape, phrase.split())) for phrase in longest_first)
    pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE)
    return Lexicon(pattern, lambda found: folded.get(_plain(found), ()), share=0.5)


def variants(text: str, lexicon: Lexicon, *, count: int, rng: np.random.Generator) -> list[str]:
    """Up to `count` variants of a text, some of which may be equal; none where nothing in it can be replaced."""
    places = [
        _Place(match.start(), match.end(), match[0], replacements)
        for match in lexicon.pattern.finditer(text)
        if (replacements := lexicon.lookup(match[0]))
    ]
    return [_vary(text, places, lexicon.share, rng) for _ in range(count)] if places else []


def _vary(text: str, places: Sequence[_Place], share: float, rng: np.random.Generator) -> str:
    replaced = rng.random(len(places)) < share
    replaced[rng.integers(len(places))] = True
    parts, end = [], 0
    for place in (place for place, chosen in zip(places, replaced.tolist(), strict=True) if chosen):
        replacement = place.replacements[int(rng.integers(len(place.replacements)))]
        parts += [text[end : place.start], _in_case_of(place.found, replacement)]
        end = place.end
    return "".join([*parts, text[end:]])


def _in_case_of(found: str, replacement: str) -> str:
    if len(found) > 1 and found.isupper():
        return replacement.upper()
    return replacement[:1].upper() + replacement[1:] if found[:1].isupper() else replacement


def _plain(phrase: str) -> str:
    return " ".join(phrase.lower().split())
