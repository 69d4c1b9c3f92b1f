"""What texts are like on the outside: how long, in which script, of which characters.

No language is guessed. A text in another language, made by another program or cut off shows in how long it and its
words are and in its shares of digits, capitals, marks and characters beyond ASCII. Each trait is compared by
categories: tenths of half A, or the scripts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index

Edges = Mapping[str, tuple[float, ...]]
"""By trait: a value belongs to the category after the last edge that it is not below."""

# Characters looked at of each text, so that one long document costs no more than many messages.
_MOST_CHARACTERS = 500
_TENTHS = np.arange(1, 10) / 10

SCRIPTS = ("none", "Latin", "Greek", "Cyrillic", "Hebrew", "Arabic", "Indic", "East Asian", "other")
# First code point of each stretch of Unicode, and the script of its letters (Unicode 15, Blocks.txt).
_STRETCHES = (
    (0x0000, 1),
    (0x0370, 2),
    (0x0400, 3),
    (0x0530, 8),
    (0x0590, 4),
    (0x0600, 5),
    (0x0780, 8),
    (0x0900, 6),
    (0x0E00, 8),
    (0x1100, 7),
    (0x1200, 8),
    (0x1E00, 1),
    (0x1F00, 2),
    (0x2000, 0),
    (0x2C00, 8),
    (0x2E80, 7),
    (0xA000, 8),
    (0xAC00, 7),
    (0xD800, 8),
    (0xF900, 7),
    (0xFB00, 8),
    (0xFE70, 5),
    (0xFF00, 7),
    (0xFFF0, 0),
)
# What a character is: space, digit, capital, small letter or mark of ASCII, or beyond it and of a script.
_SPACE, _DIGIT, _CAPITAL, _SMALL, _MARK, _BEYOND = range(6)
_KINDS = _BEYOND + len(SCRIPTS)
_LATIN = SCRIPTS.index("Latin")
# Beyond the first plane of Unicode are pictures, and from here on ideographs.
_IDEOGRAPHS, _AN_IDEOGRAPH, _A_PICTURE = 0x20000, 0x4E00, 0xFFFF
NAMES = ("length", "word length", "digits", "capitals", "marks", "beyond ASCII", "links", "script")


@dataclass(frozen=True)
class Traits:
    """Values (n, 8) float32 of n texts, in the order of `NAMES`.

    `length` is in characters. `digits` to `beyond ASCII` are shares of the characters that are no spaces, `links` is a
    number, and `script` the place in `SCRIPTS` of most letters.
    """

    values: Floats

    def take(self, rows: Index) -> "Traits":
        """Some of the texts."""
        return Traits(self.values[rows])

    def categories(self, edges: Edges) -> Index:
        """(n, 8) int64, the category of each value."""
        columns = [
            np.searchsorted(edges[name], self.values[:, place], side="right") for place, name in enumerate(NAMES)
        ]
        return np.stack(columns, axis=1).astype(np.int64)


def edges_of(traits: Traits) -> dict[str, tuple[float, ...]]:
    """Edges between the tenths of these texts; equal tenths are one category, as where most texts hold no digit."""
    found = {}
    for place, name in enumerate(NAMES[:-1]):
        ordered = np.sort(traits.values[:, place])
        tenths = ordered[(_TENTHS * len(ordered)).astype(np.int64)]
        # Just above the value: what is equal to it stays below.
        found[name] = tuple(np.nextafter(np.unique(tenths), np.float32(np.inf)).tolist())
    return {**found, "script": tuple(float(place) for place in range(1, len(SCRIPTS)))}


def measure(texts: Sequence[str]) -> Traits:
    """The traits of n texts."""
    heads = [text[:_MOST_CHARACTERS] for text in texts]
    lengths = np.array([len(head) + 1 for head in heads], dtype=np.int64)
    codes = np.frombuffer("\n".join([*heads, ""]).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kind = _KIND_OF[np.where(codes < _IDEOGRAPHS, np.minimum(codes, _A_PICTURE), _AN_IDEOGRAPH)]
    text = np.repeat(np.arange(len(texts)), lengths)
    of = np.bincount(text * _KINDS + kind, minlength=len(texts) * _KINDS).reshape(-1, _KINDS)
    solid = kind != _SPACE
    begins = solid & ~np.r_[False, solid[:-1]]
    words = np.bincount(text[begins], minlength=len(texts))
    characters = of[:, _DIGIT:].sum(axis=1)
    shares = np.column_stack([of[:, [_DIGIT, _CAPITAL, _MARK]], of[:, _BEYOND:].sum(axis=1)])
    letters = of[:, _BEYOND:].copy()
    letters[:, _LATIN] += of[:, _CAPITAL] + of[:, _SMALL]
    letters[:, 0] = 0  # signs and pictures are letters of no script
    values = np.column_stack(
        [
            [len(text) for text in texts],
            characters / np.maximum(words, 1),
            shares / np.maximum(characters, 1)[:, None],
            [head.count("://") + head.count("www.") for head in heads],
            letters.argmax(axis=1),
        ]
    )
    return Traits(values.astype(np.float32))


def _kinds() -> NDArray[np.uint8]:
    """(65536,) what each character of the first plane is."""
    code = np.arange(_A_PICTURE + 1)
    first = np.array([first for first, _ in _STRETCHES])
    script = np.array([script for _, script in _STRETCHES])
    kind = _BEYOND + script[np.searchsorted(first, code, side="right") - 1]
    kind[:128] = _MARK
    kind[48:58], kind[65:91], kind[97:123] = _DIGIT, _CAPITAL, _SMALL
    kind[[9, 10, 11, 12, 13, 32, 0xA0, 0x3000]] = _SPACE
    return kind.astype(np.uint8)


_KIND_OF = _kinds()
