"""What the current model makes of a window: the classes that it decides for, and how sure it is."""

from dataclasses import dataclass, replace

import numpy as np

from shared.pool import Floats, Index, Mask

# Of half B may be labeled: the model knows these items and selection chose them, so that they are left out. Leaving out
# so few moves a tenth of the items by less than the tolerance, whichever they are.
MOST_LABELED = 0.02
TOLERANCE = 0.1
"""Cohen's w of a small difference, which leaving out labeled items may make by itself."""


@dataclass(frozen=True)
class Decided:
    """What a model says of n items.

    Attributes:
        classes: (n,) int64, the class decided for with the highest probability; the number of classes where none is.
        confidence: (n,) float32, the highest probability.
        counts: (k,) int64, items decided for each class.
    """

    classes: Index
    confidence: Floats
    counts: Index


@dataclass(frozen=True)
class Predicted:
    """What one model says of the window, and of both halves of the reference.

    Attributes:
        model: its version.
        names: the k classes.
        window: of the window's items.
        a: of half A.
        b: of half B.
        b_labeled: (n_b,) bool, items of half B that have a label, or a duplicate that has one.
    """

    model: int
    names: tuple[str, ...]
    window: Decided
    a: Decided
    b: Decided
    b_labeled: Mask

    @property
    def comparable(self) -> bool:
        """Whether so few of half B are labeled that the others stand for all."""
        return bool(self.b_labeled.mean() <= MOST_LABELED)

    def reordered(self, order: Index) -> "Predicted":
        """The same of the window's items in another order."""
        window = replace(self.window, classes=self.window.classes[order], confidence=self.window.confidence[order])
        return replace(self, window=window)

    def tenths(self) -> tuple[Index, Index]:
        """(n_b,) and (n,) int64, the tenth of half A's confidence in which each item of half B and the window is."""
        edges = np.unique(np.quantile(self.a.confidence, np.arange(1, 10) / 10))
        b, window = (np.searchsorted(edges, of.confidence, side="right") for of in (self.b, self.window))
        return b.astype(np.int64), window.astype(np.int64)


def decided(probability: Floats, chosen: Mask) -> Decided:
    """From probabilities (n, k) float32 and decisions (n, k) bool."""
    among = np.where(chosen, probability, -1.0)
    best = np.where(chosen.any(axis=1), among.argmax(axis=1), probability.shape[1])
    return Decided(
        best.astype(np.int64), probability.max(axis=1).astype(np.float32), chosen.sum(axis=0).astype(np.int64)
    )
