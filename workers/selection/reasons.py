"""Why an item was chosen, in words. Pure: plain text, to be escaped by whoever shows it."""

from collections.abc import Callable
from math import isclose

from shared.contracts import Reason

CHANNELS = {
    "rule": "found by a seeding rule of a class that still lacks labels",
    "coverage": "typical of texts of which little or nothing is labeled",
    "boundary": "the model can hardly decide",
    "anchor": "close to labeled items of a rare class",
    "likely": "probably of a rare class",
    "audit": "drawn at random; what is reported is measured on these",
    "drift": "new, and of what a campaign is about",
    "relabel": "labeled before; a campaign asks again",
}
"""What each channel looks for, in a few words."""

# `Reason.score` and `Reason.probability` are stored with six digits.
_SAME = 1e-5
# Doubt, of 1, from which on the model is said to doubt much, and below which not at all: late in a project that is
# learned well nothing is left that it doubts, and the boundary's places go to what is nearest to it.
_DOUBTFUL, _SURE = 0.5, 0.05


def sentence(reason: Reason) -> str:
    """Why an item was chosen, as one sentence: what its channel saw in it, then what else is known of it."""
    head = _HEADS.get(reason.channel, _other)(reason)
    return "; ".join([head, *_prediction(reason), *_rules(reason), *_overlap(reason)]) + "."


def _rule(reason: Reason) -> str:
    return f"{_named(reason.rules)} found it{_aside(*_cluster(reason))}, and its class still lacks labels"


def _coverage(reason: Reason) -> str:
    if reason.cluster is None:
        return "Drawn at random to fill the batch, since there was no model yet"
    return f"Typical of similar texts of which little or nothing is labeled{_aside(*_cluster(reason))}"


def _boundary(reason: Reason) -> str:
    if reason.probability is None:
        return "Drawn at random, since there was no model yet"
    doubt = [] if reason.score is None else [f"doubt {reason.score:.2f} of 1"]
    about = _aside(*doubt, *_cluster(reason))
    if reason.score is None or reason.score >= _DOUBTFUL:
        return f"The model could hardly decide{about}"
    if reason.score >= _SURE:
        return f"Of what was left, this is among what the model was least sure of{about}"
    return f"The model was sure of all that was left, and this is of what it was least sure of{about}"


def _anchor(reason: Reason) -> str:
    near = "of a rare class" if reason.wanted is None else f"of {reason.wanted}, a rare class"
    return f"Close to labeled items {near}{_aside(*_score(reason), *_cluster(reason))}"


def _likely(reason: Reason) -> str:
    sought = "of a rare class" if reason.wanted is None else f"of {reason.wanted}, a rare class"
    if reason.score is None:
        return f"Probably {sought}"
    if reason.probability is not None and isclose(reason.score, reason.probability, abs_tol=_SAME):
        return f"The model took it for {reason.predicted}, a rare class{_aside(*_cluster(reason))}"
    return f"The model saw a chance of {_percent(reason.score)} that it is {sought}{_aside(*_cluster(reason))}"


def _audit(reason: Reason) -> str:
    drawn = [] if reason.inclusion is None else [f"probability {_percent(reason.inclusion)}"]
    return f"Drawn at random for the audit sample{_aside(*drawn)}"


def _drift(_reason: Reason) -> str:
    return "New, and of what a campaign is about"


def _relabel(_reason: Reason) -> str:
    return "Labeled before; a campaign asks whether its label still holds"


def _other(reason: Reason) -> str:
    return f"Chosen by the channel {reason.channel}{_aside(*_score(reason), *_cluster(reason))}"


_HEADS: dict[str, Callable[[Reason], str]] = {
    "rule": _rule,
    "coverage": _coverage,
    "boundary": _boundary,
    "anchor": _anchor,
    "likely": _likely,
    "audit": _audit,
    "drift": _drift,
    "relabel": _relabel,
}


def _prediction(reason: Reason) -> list[str]:
    if reason.predicted is None or reason.probability is None:
        return []
    who = "the model" if reason.model is None else f"model version {reason.model}"
    return [f"{who} said {reason.predicted} ({_percent(reason.probability)})"]


def _rules(reason: Reason) -> list[str]:
    """The rules that hit it, where they are not the reason itself."""
    return [f"{_named(reason.rules, lower=True)} found it too"] if reason.rules and reason.channel != "rule" else []


def _overlap(reason: Reason) -> list[str]:
    if reason.overlap == 1:
        return []
    return [f"{reason.overlap} annotators are asked, which tells how far they agree"]


def _named(rules: list[str], *, lower: bool = False) -> str:
    if not rules:
        return "A seeding rule"
    word = "the" if lower else "The"
    names = rules[0] if len(rules) == 1 else f"{', '.join(rules[:-1])} and {rules[-1]}"
    return f"{word} seeding rule{'' if len(rules) == 1 else 's'} {names}"


def _cluster(reason: Reason) -> list[str]:
    return [] if reason.cluster is None else [f"cluster {reason.cluster}"]


def _score(reason: Reason) -> list[str]:
    return [] if reason.score is None else [f"score {reason.score:.3g}"]


def _aside(*facts: str) -> str:
    return f" ({', '.join(facts)})" if facts else ""


def _percent(value: float) -> str:
    if 0 < value < 0.1:
        return f"{100 * value:.2g} %"
    return f"{100 * value:.0f} %"
