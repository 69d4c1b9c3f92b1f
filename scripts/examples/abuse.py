"""Seeded messages to a support desk, one in a hundred abusive: made-up tickets, some of them turned into abuse."""

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from scripts.tickets import Ticket, tickets
from scripts.tickets.grammar import Grammar, expand, pick, read_grammar
from scripts.tickets.styles import CHAT, EMAIL, SOCIAL, dress

ABUSE, ORDINARY = "abuse", "ordinary"

_FILE = Path(__file__).with_name("abuse.toml")
# Together 1 % of all messages.
_SHARE = {EMAIL: 0.004, CHAT: 0.012, SOCIAL: 0.04}
# Of abusive messages that also say what they are about.
_WITH_REASON = 0.7
# Another stream of draws than the tickets have.
_SEED_OF_ABUSE = 2_000_003


@dataclass(frozen=True)
class AbuseKind:
    """A way in which abuse shows: its name, its weight among the kinds, the sentences that say it."""

    name: str
    share: float
    core: tuple[str, ...]


def messages(n: int, seed: int, *, first: int = 1) -> list[Ticket]:
    """Make `n` messages, labeled `abuse` or `ordinary`; the same arguments make the same messages.

    Args:
        n: How many.
        seed: Of all draws.
        first: Number of the first one.
    """
    rng = np.random.default_rng(seed + _SEED_OF_ABUSE)
    return [_turned(ticket, rng) for ticket in tickets(n, seed, first=first)]


@cache
def read_kinds() -> tuple[AbuseKind, ...]:
    """The kinds of abuse that come with this package."""
    raw = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(AbuseKind(kind["name"], float(kind["share"]), tuple(kind["core"])) for kind in raw["kind"])


def _turned(ticket: Ticket, rng: np.random.Generator) -> Ticket:
    if rng.random() >= _SHARE[ticket.source]:
        return replace(ticket, label=ORDINARY)
    kinds, grammar = read_kinds(), read_grammar()
    weights = np.array([kind.share for kind in kinds])
    kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    text = dress(_sentences(kind, grammar, rng), ticket.source, grammar, rng)
    return replace(ticket, text=text, label=ABUSE, kind=kind.name)


def _sentences(kind: AbuseKind, grammar: Grammar, rng: np.random.Generator) -> list[str]:
    """What is said: abuse, and mostly something that an ordinary ticket says too."""
    said = [expand(pick(kind.core, rng), grammar, rng)]
    if rng.random() < _WITH_REASON:
        others = [other for other in grammar.kinds if other.share > 0]
        reason = others[int(rng.integers(len(others)))]
        said.insert(int(rng.integers(2)), expand(pick(reason.core, rng), grammar, rng))
    return said
