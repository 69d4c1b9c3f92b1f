"""The project file's section on augmentation: texts made from labeled ones, for training only."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from shared.section import Count, Name, Section, Share

Phrase = Annotated[str, Field(max_length=10_000, pattern=r"\S")]
Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1)]

_URL_FORMS = "https://HOST/PATH or http://localhost:PORT/PATH is expected"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

SLOT = re.compile(r"\{(\w+)\}")


class Recipe(Section):
    """How texts are made from labeled items: what all kinds have in common.

    Attributes:
        name: Which recipe it is; distinct in a project.
        classes: Whose items it takes; none means the classes that are rare among the labels when texts are made.
        per_item: At most so many texts from one labeled item.
    """

    name: Name
    classes: tuple[Name, ...] = ()
    per_item: Annotated[int, Field(ge=1, le=100)] = 3


class Templates(Recipe):
    """Whole sentences of one class, whose slots in braces are filled.

    Attributes:
        templates: The sentences, as "I did not authorise {amount}."
        slots: What may stand in each slot.
    """

    kind: Literal["templates"]
    classes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=1)]
    templates: Phrases
    slots: dict[Name, Phrases] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _every_slot_can_be_filled(self) -> Self:
        named = {slot for template in self.templates for slot in SLOT.findall(template)}
        unknown = sorted(named - set(self.slots))
        if unknown:
            raise ValueError(f"a template holds {{{unknown[0]}}}; add {unknown[0]} = [...] to slots")
        return self


class Replace(Recipe):
    """Words and phrases are replaced by others of a lexicon.

    Attributes:
        words: Word or phrase -> what may stand in its place.
        lexicon: Such a table in a TOML file, instead of `words`.
    """

    kind: Literal["replace"]
    words: dict[Phrase, Phrases] = Field(default_factory=dict)
    lexicon: Phrase | None = None

    @model_validator(mode="after")
    def _one_lexicon(self) -> Self:
        if bool(self.words) == (self.lexicon is not None):
            raise ValueError("give exactly one of words = { ... } and lexicon = 'file.toml'")
        return self


class WordNet(Recipe):
    """Words are replaced by synonyms of their most frequent sense in WordNet (English), as nltk reads it."""

    kind: Literal["wordnet"]


class Translate(Recipe):
    """Texts are translated there and back.

    Attributes:
        url: Of a translator that speaks JSON; see `workers.augmentation.translators`.
        function: `module:function` that translates, instead of `url`.
        language: Of the items.
        through: Languages that a text goes through, each giving one text.
        timeout_s: How long the translator at `url` may take for one request.
        retries: How often a request that failed is sent again.
        plain_http: Whether texts may leave this machine unencrypted.
    """

    kind: Literal["translate"]
    url: str | None = None
    function: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None = None
    language: Name = "en"
    through: Annotated[tuple[Name, ...], Field(min_length=1)] = ("de",)
    timeout_s: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    plain_http: bool = False

    @model_validator(mode="after")
    def _one_translator(self) -> Self:
        if (self.url is None) == (self.function is None):
            raise ValueError("give exactly one of url = 'https://...' and function = 'module:function'")
        if self.url is not None:
            _check_url(self.url, plain_http=self.plain_http)
        return self


AnyRecipe = Annotated[Templates | Replace | WordNet | Translate, Field(discriminator="kind")]


class Augmentation(Section):
    """Recipes by which texts are made, how much these teach, and how they are reviewed.

    Attributes:
        weight: How much an augmented text counts in training beside the labeled item that it is made from.
        review_share: Share of what a recipe makes that waits for a person's review, and teaches nothing before.
        stop_above: A recipe teaches and makes nothing any more when a larger share of its reviewed texts is rejected.
        review_at_least: Reviewed texts before that is asked.
        recipes: None by default: augmentation is off.
    """

    weight: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    review_share: Share = 0.2
    stop_above: Share = 0.3
    review_at_least: Annotated[Count, Field(ge=1)] = 10
    recipes: tuple[AnyRecipe, ...] = ()

    @field_validator("recipes")
    @classmethod
    def _names_are_distinct(cls, recipes: Sequence[AnyRecipe]) -> Sequence[AnyRecipe]:
        names = [recipe.name for recipe in recipes]
        if len(set(names)) < len(names):
            raise ValueError("two recipes have the same name")
        return recipes

    def stops(self, *, accepted: int, rejected: int) -> bool:
        """Whether a recipe with so many accepted and rejected texts is stopped."""
        reviewed = accepted + rejected
        return reviewed >= self.review_at_least and rejected > self.stop_above * reviewed


def _check_url(url: str, *, plain_http: bool) -> None:
    """Raise `ValueError` unless texts may be sent there: by https or to this machine; by http elsewhere if allowed."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{error}; {_URL_FORMS}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"this is no URL of a translator; {_URL_FORMS}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a project file is no place for a password; let a proxy on this machine add it")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not plain_http:
        raise ValueError(
            f"texts would go to {parts.hostname} unencrypted; give an https URL, or say plain_http = true to allow it"
        )
