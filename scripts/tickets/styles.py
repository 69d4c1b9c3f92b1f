"""How one and the same thing is said by email, in a chat and in public."""

import re

import numpy as np

from scripts.tickets.grammar import Grammar, expand, pick

EMAIL, CHAT, SOCIAL = "Email", "Chat", "Social"

_SHORT = {
    "please": "pls",
    "you": "u",
    "are": "r",
    "because": "bc",
    "password": "pw",
    "thanks": "thx",
    "message": "msg",
    "delivery": "deliv",
    "account": "acc",
}
_TYPO_SHARE = {EMAIL: 0.004, CHAT: 0.02, SOCIAL: 0.05}


def dress(sentences: list[str], source: str, grammar: Grammar, rng: np.random.Generator) -> str:
    """Put sentences into the style of a source: greetings, hashtags, short forms, slips."""
    match source:
        case "Email":
            text = _email(sentences, grammar, rng)
        case "Chat":
            text = _chat(sentences, grammar, rng)
        case _:
            text = _social(sentences, grammar, rng)
    return _with_typos(text, _TYPO_SHARE[source], rng)


def _email(sentences: list[str], grammar: Grammar, rng: np.random.Generator) -> str:
    background = [expand(pick(grammar.background["email"], rng), grammar, rng)] if rng.random() < 0.75 else []
    opening, closing = (pick(part["email"], rng) for part in (grammar.opening, grammar.closing))
    body = background + sentences if rng.random() < 0.8 else sentences + background
    return " ".join([opening, *body, expand(closing, grammar, rng)])


def _chat(sentences: list[str], grammar: Grammar, rng: np.random.Generator) -> str:
    parts = [" ".join(sentences)]
    if rng.random() < 0.4:
        parts.insert(0, pick(grammar.opening["chat"], rng))
    if rng.random() < 0.4:
        parts.append(expand(pick(grammar.closing["chat"], rng), grammar, rng))
    text = " ".join(parts).lower()
    if rng.random() < 0.5:
        text = " ".join(_SHORT.get(word, word) for word in text.split())
    return text.replace("'", "").rstrip(".") if rng.random() < 0.7 else text


def _social(sentences: list[str], grammar: Grammar, rng: np.random.Generator) -> str:
    tags = [expand(pick(grammar.closing["social"], rng), grammar, rng) for _ in range(int(rng.integers(0, 3)))]
    body = [sentence.upper() if rng.random() < 0.06 else sentence for sentence in sentences]
    opening = [pick(grammar.opening["social"], rng)] if rng.random() < 0.7 else []
    return " ".join([*opening, *body, *tags])


def _with_typos(text: str, share: float, rng: np.random.Generator) -> str:
    return re.sub(r"\b[A-Za-z]{5,}\b", lambda match: _slip(match[0], rng) if rng.random() < share else match[0], text)


def _slip(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(1, len(word) - 2))
    if rng.random() < 0.5:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :]
