"""BADGE: items whose gradients would be large and different.

Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds" (2020), algorithm 1: k-means++ on
the gradients that the last layer would get if the model's own answer were the label.
"""

import numpy as np

from scripts.bench.selection_peers.peer import probabilities
from shared.pool import Floats, Index
from shared.project import Task
from workers.selection.view import View
from workers.training.classifier import decide


class Gradients:
    """Gradients (n, n_classes * d) of the last layer, never written out: each is an outer product of two vectors.

    Attributes:
        squared: (n,) float32, squared distance of each gradient to the nearest centre; at first to the origin.
    """

    def __init__(self, errors: Floats, vectors: Floats) -> None:
        """Take the two factors.

        Args:
            errors: (n, n_classes) probability less the assumed answer.
            vectors: (n, d).
        """
        self._errors, self._vectors = errors, vectors
        self._norms: Floats = (errors**2).sum(axis=1) * (vectors**2).sum(axis=1)
        self.squared = self._norms.copy()
        self._centres = 0

    def add_centre(self, place: int) -> None:
        """Make a gradient a centre."""
        products = (self._errors @ self._errors[place]) * (self._vectors @ self._vectors[place])
        distance = np.maximum(self._norms + self._norms[place] - 2 * products, 0)
        self.squared = np.minimum(self.squared, distance) if self._centres else distance
        self.squared[place] = 0
        self._centres += 1


def badge(view: View, count: int) -> Index:
    """k-means++: the longest gradient first, then by chance in proportion to the squared distance to those chosen."""
    eligible = view.pool.eligible
    probability = probabilities(view)[eligible]
    assumed = decide(probability, exclusive=view.config.task is Task.SINGLE)
    gradients = Gradients(probability - assumed, view.pool.vectors(eligible))
    free = np.ones(len(eligible), dtype=bool)
    chosen = np.empty(count, dtype=np.int64)
    for place in range(count):
        weight = gradients.squared * free
        chosen[place] = drawn = int(weight.argmax()) if place == 0 else _draw(weight, free, view.rng)
        free[drawn] = False
        gradients.add_centre(drawn)
    return eligible[chosen]


def _draw(weight: Floats, free: np.ndarray[tuple[int], np.dtype[np.bool_]], rng: np.random.Generator) -> int:
    """A place by chance in proportion to its weight; any free one when no weight is left."""
    total = np.cumsum(weight if weight.any() else free, dtype=np.float64)
    return int(np.searchsorted(total, rng.random() * total[-1], side="right"))
