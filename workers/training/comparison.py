"""Where two models decide differently. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index, Mask, Matrix
from workers.training import classifier
from workers.training.classifier import LinearModel

# Items looked at together: the probabilities of two models of 1,000 classes are 500 MB at most.
_BLOCK = 65_536


@dataclass(frozen=True)
class Differing:
    """An item for which two models decide differently.

    Attributes:
        position: Among the rows that were compared.
        before: Classes that the first decides for.
        after: Classes that the second decides for.
        moved: The largest difference of the two probabilities of one class.
    """

    position: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    moved: float


@dataclass(frozen=True)
class Comparison:
    """Decisions of two models about the same items.

    Attributes:
        items: How many were compared.
        differing: On how many the decisions differ.
        lost: By class, items that only the first decides for it.
        gained: By class, items that only the second decides for it.
        examples: Items whose decisions differ, those first whose probabilities moved most.
    """

    items: int
    differing: int
    lost: dict[str, int]
    gained: dict[str, int]
    examples: tuple[Differing, ...]


def compare(before: LinearModel, after: LinearModel, matrix: Matrix, rows: Index, *, examples: int) -> Comparison:
    """Decide for every item with both models; a class that one of them lacks, it decides for never.

    Args:
        before: The first model.
        after: The second, of vectors of the same encoder.
        matrix: (m, d) float16 unit vectors, or the pool's features.
        rows: (n,) int64, rows of `matrix`.
        examples: How many items to name at most.
    """
    classes = tuple(dict.fromkeys((*after.classes, *before.classes)))
    lost, gained = np.zeros(len(classes), dtype=np.int64), np.zeros(len(classes), dtype=np.int64)
    differing, kept = 0, list[Differing]()
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        old, new = (_Answers.of(model, matrix, part, classes) for model in (before, after))
        differs = np.flatnonzero((old.decided != new.decided).any(axis=1))
        differing += len(differs)
        lost += (old.decided & ~new.decided).sum(axis=0)
        gained += (new.decided & ~old.decided).sum(axis=0)
        moved = np.abs(old.probability[differs] - new.probability[differs]).max(axis=1, initial=0)
        for place in np.argsort(-moved, kind="stable")[:examples].tolist():
            row = differs[place]
            kept.append(
                Differing(
                    start + int(row),
                    _names(classes, old.decided[row]),
                    _names(classes, new.decided[row]),
                    float(moved[place]),
                )
            )
    kept.sort(key=lambda item: (-item.moved, item.position))
    return Comparison(
        items=len(rows),
        differing=differing,
        lost=dict(zip(classes, lost.tolist(), strict=True)),
        gained=dict(zip(classes, gained.tolist(), strict=True)),
        examples=tuple(kept[:examples]),
    )


@dataclass(frozen=True)
class _Answers:
    """Probabilities and decisions (n, n_classes), in the order of the classes of both models."""

    probability: Floats
    decided: Mask

    @classmethod
    def of(cls, model: LinearModel, matrix: Matrix, rows: Index, classes: Sequence[str]) -> "_Answers":
        columns = [classes.index(name) for name in model.classes]
        found = classifier.probabilities(model, matrix, rows)
        probability = np.zeros((len(rows), len(classes)), dtype=np.float32)
        decided = np.zeros(probability.shape, dtype=bool)
        probability[:, columns] = found
        decided[:, columns] = classifier.decide(model, found)
        return cls(probability, decided)


def _names(classes: Sequence[str], decided: Mask) -> tuple[str, ...]:
    return tuple(classes[column] for column in np.flatnonzero(decided).tolist())
