"""Goals: a recall or a precision that the decisions for a class are to reach, and whether they do.

A goal is aimed at with the pool's calibrated probabilities, as macro-F1 is (see `workers.training.decision`): added up,
they say how many items of the class a threshold finds and how many of what it finds are right. Whether it is met is
measured on the audit sample, of which the threshold knows nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from shared.pool import Floats, Index, Mask
from shared.training_options import Goal
from workers.training.calibration import Doubles
from workers.training.metrics import Interval

Ratio = Callable[[Doubles, Doubles], Interval | None]
"""The interval of a weighted ratio: of what part (n,) makes up of a whole (n,); None where the whole is nothing."""

# With fewer audit items of a class, its rates say next to nothing.
FEW = 5
# Classes that exclude each other are moved in turns, and one that moves changes what another has reached.
_PASSES = 5
_ROUNDING = 1e-9
# Scores nearer to each other than this are equal: in single precision an offset can't come between them.
_EQUAL = 1e-5


def goal_offsets(
    probability: Floats | Doubles,
    scores: Floats | Doubles,
    offsets: Floats | Doubles,
    goals: Mapping[int, Goal],
    *,
    exclusive: bool,
) -> Doubles:
    """What to add to decision scores so that goals are reached in expectation over the pool.

    A wanted recall takes the strictest threshold that has it, for there precision is highest; a wanted precision the
    loosest that has it, for there recall is highest. Where both are wanted, that of highest F1 among those that have
    both; if none has, recall is kept. A precision that no threshold has is come as near to as can be.
    Where classes exclude each other, a class moves against the others in turns with other goals; of goals that
    contradict each other the last one has its way.

    Args:
        probability: (n, k) calibrated, of items that stand for the pool, n >= 1.
        scores: (n, k) of the same items; with offsets added, the highest is decided for, or all of 0 and more.
        offsets: (k,) that hold for classes without a goal, and from which the others start.
        goals: By column; the class has to have a probability above 0 somewhere.
        exclusive: Whether an item gets exactly one class.

    Returns:
        (k,) float64; classes without a goal keep theirs.
    """
    found = np.array(offsets, dtype=np.float64)
    if exclusive and len(found) == 1:
        return found  # always decided for, whatever is added
    for _ in range(_PASSES if exclusive else 1):
        before = found.copy()
        for column, goal in goals.items():
            lead = rival_scores(scores + found, column) if exclusive else np.zeros(len(scores))
            found[column] = _threshold(lead - scores[:, column], probability[:, column].astype(np.float64), goal)
        if np.array_equal(found, before):
            break
    return found


def rival_scores(scores: Floats | Doubles, column: int) -> Doubles:
    """(n,) float64, the highest score (n, k >= 2) of the other classes."""
    return np.asarray(np.delete(scores, column, axis=1).max(axis=1), dtype=np.float64)


def margins(scores: Floats | Doubles, *, exclusive: bool) -> Doubles:
    """(n, k) float64: how far each class is from not being decided for; the sign tells the decision, but for ties.

    Args:
        scores: (n, k) decision scores, see `classifier.decision_scores`.
        exclusive: Whether an item gets exactly one class.
    """
    if not exclusive or scores.shape[1] == 1:
        return np.asarray(scores, dtype=np.float64)
    return np.stack([scores[:, column] - rival_scores(scores, column) for column in range(scores.shape[1])], axis=1)


def _threshold(needed: Doubles, probability: Doubles, goal: Goal) -> float:
    """The offset that reaches a goal, when an item is decided for if its offset exceeds what is needed (n,)."""
    order = np.argsort(needed, kind="stable")
    rising, hits = needed[order], probability[order].cumsum()
    place = _reach(hits / hits[-1], hits / np.arange(1, len(hits) + 1), _ends(rising), goal)
    return float((rising[place] + rising[place + 1]) / 2 if place + 1 < len(rising) else rising[place] + 1)


def _reach(recall: Doubles, precision: Doubles, ends: Index, goal: Goal) -> int:
    """The place to cut at, of `ends` (m,) in ascending order, by recall and precision (n,) of all places."""
    full = recall[ends] >= goal.recall - _ROUNDING if goal.recall is not None else np.ones(len(ends), dtype=bool)
    clean = precision[ends] >= goal.precision - _ROUNDING if goal.precision is not None else full
    if goal.recall is not None and goal.precision is not None and (full & clean).any():
        both = ends[full & clean]
        f1 = 2 * recall[both] * precision[both] / (recall[both] + precision[both])
        return int(both[f1.argmax()])
    if goal.recall is not None:
        return int(ends[full.argmax()])
    if clean.any():
        return int(ends[clean][-1])
    return int(ends[precision[ends].argmax()])


def _ends(ordered: Doubles) -> Index:
    """Places of the last of each run of equal values, (n,) rising: a threshold has all of a run on one side."""
    return np.flatnonzero(np.append(np.diff(ordered) > _EQUAL, True))


def check_goal(
    name: str,
    goal: Goal,
    *,
    truth: Mask,
    decided: Mask,
    margin: Doubles,
    weights: Doubles,
    recall: Interval | None,
    ratio: Ratio,
) -> dict[str, Any]:
    """Whether the decisions for a class reach its goal, on held-out predictions of audit items.

    Args:
        name: Of the class.
        goal: What is wanted.
        truth: (n,) bool, whether each item is of the class.
        decided: (n,) bool, whether it is decided to be.
        margin: (n,) the column of the class in `margins`: the higher, the sooner it would be.
        weights: (n,) float64, one over the inclusion probability.
        recall: Of the decisions.
        ratio: Intervals of weighted ratios over these items.

    Returns:
        JSON-ready: `recall` and `precision` with 95 % interval or None, `wanted`, `met` (None when it is not known yet)
        and a `sentence` that says so.
    """
    true, said = truth.astype(np.float64), decided.astype(np.float64)
    precision = ratio(true * said, said)
    wanted = {"recall": goal.recall, "precision": goal.precision}
    asked = [(found, want) for found, want in ((recall, goal.recall), (precision, goal.precision)) if want is not None]
    support = int(truth.sum())
    known = [(found, want) for found, want in asked if found is not None]
    if support < FEW:
        met, sentence = None, f"not known yet: {_count(support)} of {name}, at least {FEW} are needed."
    elif len(known) < len(asked):
        met, sentence = None, f"not known yet: on {_count(len(truth))} nothing is decided to be {name}."
    else:
        met = all(found.value >= want for found, want in known)
        verdict = _met(known) if met else _missed(known, goal, truth, margin, weights, ratio)
        rates = f"recall {_told(recall)} and precision {_told(precision)}"
        sentence = f"{rates} on {_count(len(truth))}, {support} of them {name}: the goal {verdict}."
    return {
        "recall": recall and asdict(recall),
        "precision": precision and asdict(precision),
        "wanted": wanted,
        "met": met,
        "sentence": f"{name}: {sentence}",
    }


def _met(known: list[tuple[Interval, float]]) -> str:
    sure = all(found.low >= want for found, want in known)
    return "is met" if sure else "is met, though the intervals leave room for doubt"


def _missed(
    known: list[tuple[Interval, float]], goal: Goal, truth: Mask, margin: Doubles, weights: Doubles, ratio: Ratio
) -> str:
    if goal.recall is not None and goal.precision is not None:
        flagged = at_recall(truth, margin, weights, goal.recall)
        best = ratio(truth.astype(np.float64) * flagged, flagged.astype(np.float64))
        if best is not None and best.value < goal.precision:
            cannot = "cannot be met" if best.high < goal.precision else "can hardly be met"
            return f"{cannot}: at recall {goal.recall:.2f} the precision is {_told(best)}"
    chance = all(found.value >= want or found.high >= want for found, want in known)
    return "is missed, though chance alone may explain it" if chance else "is missed"


def at_recall(truth: Mask, margin: Doubles, weights: Doubles, recall: float) -> Mask:
    """(n,) the items above the threshold that has a weighted recall on these items, and there the highest precision.

    Args:
        truth: (n,) bool, whether each item is of the class; some are.
        margin: (n,) the higher, the sooner an item is decided to be of the class.
        weights: (n,) float64, positive.
        recall: Wanted at least.
    """
    order = np.argsort(-margin, kind="stable")
    hits, said = (truth * weights)[order].cumsum(), weights[order].cumsum()
    ends = _ends(-margin[order])
    full = ends[hits[ends] >= (recall - _ROUNDING) * hits[-1]]
    flagged: Mask = margin >= margin[order][full[(hits[full] / said[full]).argmax()]]
    return flagged


def _count(items: int) -> str:
    return f"{items:,} audit item{'' if items == 1 else 's'}"


def _told(found: Interval | None) -> str:
    return "unknown" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
