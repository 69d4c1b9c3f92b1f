"""Seeded tickets: three sources in their own styles, twelve classes that overlap, fraud about one in fifty."""

from dataclasses import dataclass

import numpy as np

from scripts.tickets.grammar import Grammar, Kind, expand, pick, read_grammar
from scripts.tickets.styles import CHAT, EMAIL, SOCIAL, dress

FRAUD = "fraud"
NEW_FRAUD = "impostor"

_SOURCES = {EMAIL: 0.6, CHAT: 0.3, SOCIAL: 0.1}
_FRAUD_SHARE = {EMAIL: 0.01, CHAT: 0.03, SOCIAL: 0.05}
_NEAR_DUPLICATES = 0.05
# How much of a ticket blurs what it is about. Together they set how hard the task is.
_VAGUE = 0.09
_ASIDE = 0.2

_START = 1_767_225_600.0  # 2026-01-01 UTC
_MEAN_GAP_S = 90.0


@dataclass(frozen=True)
class Ticket:
    """One support ticket.

    Attributes:
        id: Unique among tickets of one numbering.
        text: What the customer wrote.
        label: Its class.
        kind: Which of the ways in which its class shows; not for annotators.
        source: Email, Chat or Social.
        timestamp: Seconds since 1970.
    """

    id: str
    text: str
    label: str
    kind: str
    source: str
    timestamp: float

    def row(self) -> dict[str, str | float]:
        """The ticket as a row of a file, with its label."""
        return {
            "id": self.id,
            "text": self.text,
            "label": self.label,
            "source": self.source,
            "timestamp": self.timestamp,
        }


def classes() -> list[str]:
    """The classes of the task, in the grammar's order."""
    return list(dict.fromkeys(kind.label for kind in read_grammar().kinds))


def tickets(n: int, seed: int, new_fraud_share: float = 0.0, *, first: int = 1) -> list[Ticket]:
    """Make `n` tickets; the same arguments make the same tickets.

    Args:
        n: How many.
        seed: Of all draws.
        new_fraud_share: Share of a kind of fraud that does not occur otherwise, all of it in Social.
        first: Number of the first ticket; ids and timestamps go on from there.
    """
    grammar, rng = read_grammar(), np.random.default_rng(seed)
    made: list[Ticket] = []
    time = _START + first * _MEAN_GAP_S
    for number in range(first, first + n):
        id_ = f"ticket-{number:06d}"
        if made and rng.random() < _NEAR_DUPLICATES:
            made.append(_edited(made[int(rng.integers(max(0, len(made) - 500), len(made)))], id_, time, rng))
        else:
            made.append(_ticket(id_, time, new_fraud_share, grammar, rng))
        time += float(rng.uniform(0.2, 1.8)) * _MEAN_GAP_S
    return made


def _ticket(id_: str, time: float, new_fraud_share: float, grammar: Grammar, rng: np.random.Generator) -> Ticket:
    source, kind = _draw(new_fraud_share, grammar, rng)
    text = dress(_say(kind, source, grammar, rng), source, grammar, rng)
    return Ticket(id=id_, text=text, label=kind.label, kind=kind.name, source=source, timestamp=round(time, 1))


def _draw(new_fraud_share: float, grammar: Grammar, rng: np.random.Generator) -> tuple[str, Kind]:
    if rng.random() < new_fraud_share:
        return SOCIAL, next(kind for kind in grammar.kinds if kind.name == NEW_FRAUD)
    source = str(rng.choice(list(_SOURCES), p=list(_SOURCES.values())))
    is_fraud = rng.random() < _FRAUD_SHARE[source]
    kinds = [kind for kind in grammar.kinds if (kind.label == FRAUD) == is_fraud and kind.share > 0]
    weights = np.array([kind.share for kind in kinds])
    return source, kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]


def _say(kind: Kind, source: str, grammar: Grammar, rng: np.random.Generator) -> list[str]:
    """The sentences of a ticket: what it is about, perhaps said vaguely, and perhaps an aside about something near."""
    templates = [pick(grammar.vague[kind.vague] if rng.random() < _VAGUE else kind.core, rng)]
    if rng.random() < (0.7 if source == EMAIL else 0.35):
        templates.append(pick(kind.more, rng))
    if kind.near and rng.random() < _ASIDE:
        other = grammar.of_label(pick(kind.near, rng))[0]
        templates.insert(int(rng.integers(len(templates) + 1)), pick(other.core, rng))
    return [expand(template, grammar, rng) for template in templates]


def _edited(earlier: Ticket, id_: str, time: float, rng: np.random.Generator) -> Ticket:
    """The same ticket sent again with a small change."""
    edits = (
        lambda text: text + " Thanks!",
        lambda text: "Again: " + text,
        lambda text: text.replace(".", "!", 1),
        lambda text: text.replace("Please", "Could you please", 1).replace("please", "kindly", 1) + " ",
        lambda text: text + " Please answer.",
        lambda text: text.replace(" is ", " was ", 1) + " (second try)",
    )
    text = edits[int(rng.integers(len(edits)))](earlier.text).strip()
    return Ticket(
        id=id_, text=text, label=earlier.label, kind=earlier.kind, source=earlier.source, timestamp=round(time, 1)
    )
