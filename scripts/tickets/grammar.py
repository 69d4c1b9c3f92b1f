"""The ticket grammar: read from `grammar.toml`, expanded into sentences."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

_FILE = Path(__file__).with_name("grammar.toml")
_SLOT = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\[([^\[\]]+)\]")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Kind:
    """What a ticket is about: a class, or one of the ways in which that class shows.

    Attributes:
        label: The class.
        name: The kind within the class; equal to `label` where there is only one.
        share: Weight among the kinds of its class or, outside fraud, among all classes.
        vague: Group of half-clear sentences that fit it.
        near: Classes that get mixed up with it.
        core: Sentences that say it.
        more: Sentences that may follow.
    """

    label: str
    name: str
    share: float
    vague: str
    near: tuple[str, ...]
    core: tuple[str, ...]
    more: tuple[str, ...]


@dataclass(frozen=True)
class Grammar:
    """All sentences; the inner keys of `opening`, `background` and `closing` are styles, those of `vague` groups."""

    slots: dict[str, tuple[str, ...]]
    opening: dict[str, tuple[str, ...]]
    background: dict[str, tuple[str, ...]]
    closing: dict[str, tuple[str, ...]]
    vague: dict[str, tuple[str, ...]]
    aside: dict[str, tuple[str, ...]]
    kinds: tuple[Kind, ...]

    def of_label(self, label: str) -> list[Kind]:
        """The kinds of one class that occur from the start."""
        return [kind for kind in self.kinds if kind.label == label and kind.share > 0]


@cache
def read_grammar() -> Grammar:
    """The grammar that comes with this package."""
    raw = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    tables = {
        name: {key: tuple(values) for key, values in raw[name].items()}
        for name in ("slots", "opening", "background", "closing", "vague", "aside")
    }
    kinds = tuple(
        Kind(
            label=kind["label"],
            name=kind.get("name", kind["label"]),
            share=float(kind["share"]),
            vague=kind["vague"],
            near=tuple(kind["near"]),
            core=tuple(kind["core"]),
            more=tuple(kind["more"]),
        )
        for kind in raw["kind"]
    )
    return Grammar(kinds=kinds, **tables)


def pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    """One of `options`, each as likely as the next."""
    return options[int(rng.integers(len(options)))]


def expand(template: str, grammar: Grammar, rng: np.random.Generator) -> str:
    """A sentence of a template: choices taken, slots filled."""
    chosen = _CHOICE.sub(lambda match: pick(tuple(match[1].split("|")), rng), template)
    filled = _SLOT.sub(lambda match: _fill(match[1], grammar, rng), chosen)
    return filled[:1].upper() + filled[1:]


def _fill(slot: str, grammar: Grammar, rng: np.random.Generator) -> str:
    match slot:
        case "order":
            return f"#{rng.integers(10_000, 99_999)}"
        case "digits":
            return f"{rng.integers(1_000, 9_999)}"
        case "amount":
            return _amount(rng)
        case "day":
            return pick(_DAYS, rng) if rng.random() < 0.5 else f"the {rng.integers(4, 21)}th"
        case _:
            return pick(grammar.slots[slot], rng)


def _amount(rng: np.random.Generator) -> str:
    whole = int(rng.integers(4, 400))
    return (f"${whole}.90", f"{whole} euros", f"${whole}", f"{whole}.50 euros")[int(rng.integers(4))]
