"""Seeding rules: which of a project's keywords, patterns and hints hit an item, in time linear in its length.

Rules with a description are not decided here: what is near depends on the whole pool. See `shared.descriptions`.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import re2

from shared.errors import ConfigError
from shared.project import Rule
from workers.intake.rows import normalise

# In scripts that are written without spaces a word has no edge that could be seen.
_UNSPACED_NAMES = ("CJK ", "HIRAGANA ", "KATAKANA ", "THAI ", "LAO ", "KHMER ", "MYANMAR ")
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_BETWEEN_WORDS = rf"[^\pL\pM\pN_]|[{_UNSPACED}]"
_MEMORY_BYTES = 64 << 20


class Rules:
    """A project's seeding rules, compiled.

    Keywords are found as whole words or phrases in the normalised text, so case, width and runs of white space make
    no difference; patterns are searched in the text as it is.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Compile the rules. Raises `ConfigError`, which names the rule, for a blank keyword or too large a rule."""
        self._order = {rule.name: place for place, rule in enumerate(rules)}
        self._hints = [
            (rule.name, rule.hint, rule.at_least)
            for rule in rules
            if rule.hint is not None and rule.at_least is not None
        ]
        phrases = {rule.name: _phrases(rule) for rule in rules if rule.keywords}
        patterns = {rule.name: rule.pattern for rule in rules if rule.pattern is not None}
        self._keywords = _Bank(
            {name: _any_phrase(some) for name, some in phrases.items()}, _any_phrase(chain(*phrases.values()))
        )
        self._patterns = _Bank(patterns, _joined(list(patterns.values())))

    @property
    def names(self) -> list[str]:
        """Names of the rules, in the order of the project file."""
        return list(self._order)

    def hits(self, text: str) -> list[str]:
        """Names of the rules whose keywords or pattern hit a text, in the order of the project file."""
        found = self._patterns.search(text)
        if self._keywords:
            found += self._keywords.search(normalise(text))
        return sorted(found, key=self._order.__getitem__)

    def scores(self, text: str, hints: Iterable[tuple[str, float]]) -> dict[str, float]:
        """The rules that hit an item, with their scores: 1 for keywords and patterns, the item's value for a hint.

        Args:
            text: The item's text.
            hints: The scores that came with it, by column.
        """
        if not self._order:
            return {}
        found = dict.fromkeys(self.hits(text), 1.0)
        values = dict(hints)
        for name, column, at_least in self._hints:
            if column in values and values[column] >= at_least:
                found[name] = values[column]
        return found


def hint_columns(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The columns of a file that rules read scores from."""
    return tuple(dict.fromkeys(rule.hint for rule in rules if rule.hint is not None))


class _Bank:
    """Named patterns over one form of the text. Most texts hit none, so one pattern that joins all is asked first."""

    def __init__(self, patterns: dict[str, str], joined: str | None) -> None:
        self._named = [(name, _compile(pattern, rule=name)) for name, pattern in patterns.items()]
        self._any = _compile_if_possible(joined) if joined is not None and len(patterns) > 1 else None

    def __bool__(self) -> bool:
        return bool(self._named)

    def search(self, text: str) -> list[str]:
        encoded = text.encode()  # once for all, and positions of the matches are not wanted
        if not self._named or (self._any is not None and self._any.search(encoded) is None):
            return []
        return [name for name, pattern in self._named if pattern.search(encoded) is not None]


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY_BYTES
    options.never_capture = True
    options.log_errors = False
    return options


def _compile(pattern: str, *, rule: str) -> Any:
    try:
        return re2.compile(pattern.encode(), _options())
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        raise ConfigError(f"rule {rule!r}: it can't be compiled: {reason}. Split it into several rules.") from error


def _compile_if_possible(pattern: str) -> Any | None:
    try:
        return re2.compile(pattern.encode(), _options())
    except re2.error:  # too large together
        return None


def _joined(patterns: list[str]) -> str | None:
    """One pattern that matches where any does; None where they can't be joined."""
    if any(r"\Q" in pattern for pattern in patterns):  # a quotation may run past its own end
        return None
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def _phrases(rule: Rule) -> list[str]:
    phrases = [normalise(keyword) for keyword in rule.keywords]
    for keyword, phrase in zip(rule.keywords, phrases, strict=True):
        if not phrase:
            raise ConfigError(
                f"rule {rule.name!r}: keywords holds {keyword!r}, which is blank; give a word or a phrase"
            )
    return phrases


def _any_phrase(phrases: Iterable[str]) -> str:
    """A pattern for any of the phrases as whole words.

    The classes of characters that may stand beside a word are large, so phrases share them, by which edges they have.
    """
    by_edges: dict[tuple[bool, bool], list[str]] = {}
    for phrase in phrases:
        by_edges.setdefault((_has_edge(phrase[0]), _has_edge(phrase[-1])), []).append(re2.escape(phrase))
    return "|".join(
        (rf"(?:\A|{_BETWEEN_WORDS})" if before else "")
        + f"(?:{'|'.join(escaped)})"
        + (rf"(?:\z|{_BETWEEN_WORDS})" if after else "")
        for (before, after), escaped in by_edges.items()
    )


def _has_edge(character: str) -> bool:
    """Whether a word that begins or ends with this character is set apart from its neighbours."""
    is_word = character == "_" or unicodedata.category(character)[0] in "LMN"
    return is_word and not unicodedata.name(character, "").startswith(_UNSPACED_NAMES)
