"""Making texts: candidates from labeled items, and which of them are taken. Pure, but for translators and lexicons."""

import hashlib
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.augmentation_options import AnyRecipe, Replace, Templates, Translate
from shared.errors import ConfigError
from shared.vectors import text_key
from workers.augmentation.replacement import Lexicon, table_lexicon, variants
from workers.augmentation.templates import fill
from workers.augmentation.translators import back_translations, open_translator
from workers.augmentation.wordnet import wordnet_lexicon
from workers.intake.rows import normalise, permanent_draw

# Candidates for each text wanted: many turn out to be there already.
_TRIES = 4
LONGEST_TEXT = 10_000
_LONGEST_TO_PARENT = 2
_LENIENCE = 200


@dataclass(frozen=True)
class Parent:
    """A labeled item of which texts may be made.

    Attributes:
        item: Its row number.
        item_id: Its name.
        text: Its text.
        wanted: How many texts may still be made of it.
    """

    item: int
    item_id: str
    text: str
    wanted: int


@dataclass(frozen=True)
class Candidate:
    """A text that a recipe made of an item; `normal_key` as that of items."""

    parent: Parent
    text: str
    normal_key: int


Maker = Callable[[Sequence[Parent], int], list[list[str]]]
"""Gets items and the project's seed; returns texts for each, more than are wanted."""


def open_maker(recipe: AnyRecipe) -> Maker:
    """What makes a recipe's texts; its lexicon is read, its translator found.

    Raises:
        ConfigError: the lexicon can't be had.
        TranslatorUnavailableError: the translator's function can't be imported.
    """
    if isinstance(recipe, Translate):
        translate, through = open_translator(recipe), recipe
        return lambda parents, _: back_translations([parent.text for parent in parents], translate, through)
    if isinstance(recipe, Templates):
        templates, slots = recipe.templates, recipe.slots
        return _each(recipe.name, lambda _, count, rng: fill(templates, slots, count=count, rng=rng))
    lexicon = _lexicon(recipe) if isinstance(recipe, Replace) else wordnet_lexicon()
    return _each(recipe.name, lambda text, count, rng: variants(text, lexicon, count=count, rng=rng))


def candidates(recipe: AnyRecipe, parents: Sequence[Parent], made: Sequence[Sequence[str]]) -> list[Candidate]:
    """What was made of each item, one text of each item before a second of any.

    Left out is what can't be stored, is blank or longer than 10,000 characters, or has grown far beyond its item, as
    texts of a translator do that has run wild.
    """
    depth = max(map(len, made), default=0)
    return [
        Candidate(parent, texts[place], text_key(normalise(texts[place])))
        for place in range(depth)
        for parent, texts in zip(parents, made, strict=True)
        if place < len(texts) and _fits(texts[place], _longest(recipe, parent))
    ]


def accept(found: Sequence[Candidate], taken: set[int]) -> list[Candidate]:
    """The candidates that are new, as many of each item as it is wanted of; their keys are added to `taken`.

    Args:
        found: The candidates, in the order in which they are preferred.
        taken: Normal keys of all texts that there are: items of the pool, and what was made before.
    """
    accepted = []
    left = Counter({candidate.parent.item: candidate.parent.wanted for candidate in found})
    for candidate in found:
        if left[candidate.parent.item] and candidate.normal_key not in taken:
            taken.add(candidate.normal_key)
            left[candidate.parent.item] -= 1
            accepted.append(candidate)
    return accepted


def waits_for_review(candidate: Candidate, recipe: str, *, share: float, seed: int) -> bool:
    """Whether a text belongs to the random sample that a person sees before it teaches."""
    return permanent_draw(seed, f"{recipe}\0{candidate.text}") < share


def rare_classes(counts: Mapping[str, int], targets: Mapping[str, int]) -> list[str]:
    """Classes that are rare among the labels: with a target that is not met, or without one and under half of an even
    share. What has no label has no text to begin with.

    Args:
        counts: Labels of every class of the project.
        targets: Labels wanted, of some.
    """
    even = sum(counts.values()) / max(1, len(counts))
    return [
        name
        for name, count in counts.items()
        if count and (count < targets[name] if name in targets else count < even / 2)
    ]


def _each(recipe: str, make: Callable[[str, int, np.random.Generator], list[str]]) -> Maker:
    """Each item has draws of its own, so that what is made of it does not depend on what else is labeled."""

    def made(parents: Sequence[Parent], seed: int) -> list[list[str]]:
        return [
            make(parent.text, parent.wanted * _TRIES, _rng(seed, recipe, parent.item_id)) if parent.wanted else []
            for parent in parents
        ]

    return made


def _rng(seed: int, recipe: str, item_id: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{recipe}\0{item_id}".encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


def _longest(recipe: AnyRecipe, parent: Parent) -> int:
    grown = _LONGEST_TO_PARENT * len(parent.text) + _LENIENCE
    return LONGEST_TEXT if isinstance(recipe, Templates) else min(LONGEST_TEXT, grown)


def _fits(text: str, longest: int) -> bool:
    storable = not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)
    return bool(text.strip()) and len(text) <= longest and storable


def _lexicon(recipe: Replace) -> Lexicon:
    if recipe.lexicon is None:
        return table_lexicon(recipe.words)
    return table_lexicon(_read_table(Path(recipe.lexicon)))


def _read_table(path: Path) -> dict[str, list[str]]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the lexicon {path.resolve()} can't be read: {error}. "
            'A TOML file is expected with lines as: "credit card" = ["bank card", "card"]'
        ) from error
    for word, others in table.items():
        is_list = isinstance(others, list) and others and all(isinstance(one, str) and one.strip() for one in others)
        if not is_list or not word.strip():
            raise ConfigError(
                f"the lexicon {path} has {word!r} = {others!r}; "
                'a word or phrase with a list of others is expected, as: "credit card" = ["bank card", "card"]'
            )
    if not table:
        raise ConfigError(f"the lexicon {path} is empty")
    return table
