"""Probabilities under other class shares than the model learned from, until a model has learned the new ones. Pure.

Where the shares of the classes moved and the texts of each class are as before, the odds of every item move by the
ratios of new to old shares. The new shares are those that the corrected probabilities of the new items average to,
found by expectation maximisation (Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a
priori probabilities", Neural Computation 2002). It rests on calibrated probabilities (Alexandari, Kundaje and
Shrikumar, "Maximum Likelihood with Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation", ICML 2020),
and makes things worse where something else moved. So it is switched on only where fresh audit answers, predicted by
models that did not see them, say that it helps by more than chance may.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared.pool import Floats, Index, Mask
from workers.training import classifier
from workers.training.calibration import Doubles
from workers.training.classifier import LinearModel

HEADER = "prior_shift"
"""Where the header of a model's arrays tells of its correction; null or absent without one."""

# Fewer fresh answers, or new items, say nothing of a correction.
FEWEST_ANSWERS, FEWEST_ITEMS = 50, 200
_STEPS = 200
_STILL = 1e-6
# No share is taken to have grown or shrunk more than this many times.
_MOST = np.log(20.0)
_TINY = 1e-9


@dataclass(frozen=True)
class Worth:
    """What a correction does to fresh audit answers.

    Attributes:
        items: answers.
        before: mean log loss without it, weighted.
        after: with it.
        error: standard error of the difference, families drawn as a whole.
    """

    items: int
    before: float
    after: float
    error: float

    @property
    def pays(self) -> bool:
        """Whether it saves more than its standard error."""
        return self.items >= FEWEST_ANSWERS and self.before - self.after > self.error


def log_ratios(known: Doubles, after: Floats | Doubles, *, exclusive: bool) -> Doubles:
    """(k,) logarithms of how many times as frequent each class (or its odds, where classes don't exclude each other)
    became.

    Args:
        known: (k,) the shares that the model learned from: means of its held-out probabilities over a random sample of
            the labels. Over labels that a model chose they would be those of the choice.
        after: (m, k) probabilities of new items.
        exclusive: Whether an item has exactly one class.
    """
    old, new = np.clip(known, _TINY, 1.0), np.asarray(after, dtype=np.float64)
    if exclusive:
        shares = new_shares(new, old / old.sum())
        found = np.log(np.maximum(shares, _TINY)) - np.log(old / old.sum())
    else:
        found = np.array([_binary(new[:, column], share) for column, share in enumerate(old.tolist())])
    limited: Doubles = np.clip(found, -_MOST, _MOST)
    return limited


def new_shares(probability: Doubles, old: Doubles, *, start: Doubles | None = None, still: float = _STILL) -> Doubles:
    """(k,) the class shares under which the corrected probabilities of items average to themselves.

    Args:
        probability: (n, k) rows that add up to 1, under the shares `old`.
        old: (k,) positive, 1 in all.
        start: (k,) shares that may be near; `old` if not given.
        still: The search ends when no share changes by more.
    """
    shares = old if start is None else start
    for _ in range(_STEPS):
        odds = probability * (shares / old)
        found: Doubles = (odds / np.maximum(odds.sum(axis=1, keepdims=True), _TINY)).mean(axis=0)
        if np.abs(found - shares).max() < still:
            return found
        shares = found
    return shares


def corrected(probability: Floats | Doubles, ratios: Doubles, *, exclusive: bool) -> Floats:
    """(n, k) float32 probabilities after the class shares moved by `ratios`, as from `log_ratios`."""
    moved = classifier.log_scores(probability.astype(np.float64), exclusive=exclusive) + ratios
    return classifier.normalised(moved, exclusive=exclusive)


def worth(
    probability: Floats, targets: Mask, weights: Doubles, families: Index, ratios: Doubles, *, exclusive: bool
) -> Worth:
    """What a correction does to held-out predictions of fresh audit answers.

    Args:
        probability: (m, k) of models that saw neither the item nor its family, without correction.
        targets: (m, k) bool, the answers.
        weights: (m,) items of the pool that each stands for.
        families: (m,) items with equal numbers count as one draw.
        ratios: (k,) as from `log_ratios`; found without these answers.
        exclusive: Whether an item has exactly one class.
    """
    if not len(targets):
        return Worth(0, 0.0, 0.0, 0.0)
    plain = _losses(probability.astype(np.float64), targets, exclusive)
    other = _losses(corrected(probability, ratios, exclusive=exclusive).astype(np.float64), targets, exclusive)
    share = weights / weights.sum()
    saved = plain - other
    by_family = np.bincount(np.unique(families, return_inverse=True)[1], weights=share * (saved - share @ saved))
    count = len(by_family)
    error = float(np.sqrt((by_family**2).sum() * count / max(1, count - 1)))
    return Worth(len(targets), float(share @ plain), float(share @ other), error)


def applied(model: LinearModel, ratios: Doubles) -> LinearModel:
    """The model with every probability corrected; a class that it has not learned stays as it is."""
    moved = model.bias + np.where(model.learned, ratios, 0)
    return replace(model, bias=moved.astype(np.float32))


def record(ratios: Doubles, found: Worth, *, classes: Sequence[str]) -> dict[str, Any]:
    """What a model's header says of its correction, JSON-ready."""
    return {
        "log_ratios": dict(zip(classes, ratios.tolist(), strict=True)),
        "answers": found.items,
        "log_loss": found.before,
        "log_loss_corrected": found.after,
        "standard_error": found.error,
    }


def without(model: LinearModel, header: Mapping[str, Any]) -> LinearModel:
    """The model as it was before the correction that its header tells of, if any."""
    ratios = recorded(header, model.classes)
    return model if ratios is None else applied(model, -ratios)


def carried(model: LinearModel | None, header: Mapping[str, Any]) -> tuple[LinearModel | None, dict[str, Any]]:
    """A new model with the correction of the one before it, until it is known whether it still needs it.

    Args:
        model: Just trained; None where there was nothing to tell apart.
        header: Of the arrays of the model before it; empty without one.

    Returns:
        The model, and what its own header is to say.
    """
    ratios = None if model is None else recorded(header, model.classes)
    if model is None or ratios is None:
        return model, {}
    return applied(model, ratios), {HEADER: {**header[HEADER], "carried": True}}


def recorded(header: Mapping[str, Any], classes: Sequence[str]) -> Doubles | None:
    """(n_classes,) the correction that a header tells of; None without one, or with one of other classes."""
    kept = header.get(HEADER)
    if not kept or set(kept["log_ratios"]) != set(classes):
        return None
    return np.array([kept["log_ratios"][name] for name in classes], dtype=np.float64)


def _binary(probability: Doubles, old: float) -> float:
    """Log ratio of the odds of a class in (m,) probabilities of it, `old` being its share before."""
    both = np.array([min(max(old, _TINY), 1 - _TINY), 1 - min(max(old, _TINY), 1 - _TINY)])
    shares = np.maximum(new_shares(np.column_stack([probability, 1 - probability]), both), _TINY)
    return float(np.log(shares[0] / shares[1]) - np.log(both[0] / both[1]))


def _losses(probability: Doubles, targets: Mask, exclusive: bool) -> Doubles:
    """(m,) log loss of each item, summed over the classes where they don't exclude each other."""
    kept = np.clip(probability, _TINY, 1 - _TINY)
    right = np.where(targets, np.log(kept), 0.0 if exclusive else np.log1p(-kept))
    losses: Doubles = -right.sum(axis=1)
    return losses
