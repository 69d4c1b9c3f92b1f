"""BADGE: items whose gradients would be large and different.

Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds" (2020), algorithm 1: k-means++ on
the gradients that the last layer would get if the model's own answer were the label.
"""

import numpy as np

from scripts.bench.selection_peers.peer import Seen, probabilities
from shared.pool import Floats, Index, Mask
from shared.project import Task


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


def badge(view: Seen, count: int) -> Index:
    """k-means++: the longest gradient first, then by chance in proportion to the squared distance to those chosen."""
    eligible = view.pool.eligible
    probability = probabilities(view)[eligible]
    gradients = Gradients(probability - _assumed(view, probability), view.pool.vectors(eligible))
    free = np.ones(len(eligible), dtype=bool)
    chosen = np.empty(count, dtype=np.int64)
    for place in range(count):
        weight = gradients.squared * free
        chosen[place] = drawn = int(weight.argmax()) if place == 0 else _draw(weight, free, view.rng)
        free[drawn] = False
        gradients.add_centre(drawn)
    return eligible[chosen]


def _assumed(view: Seen, probability: Floats) -> Mask:
    """(n, n_classes) the answer that is assumed: the most probable class, or all that are more likely than not."""
    if view.config.task is not Task.SINGLE:
        likely: Mask = probability >= 0.5
        return likely
    best: Mask = np.arange(probability.shape[1]) == probability.argmax(axis=1)[:, None]
    return best


def _draw(weight: Floats, free: Mask, rng: np.random.Generator) -> int:
    """A place by chance in proportion to its weight; any free one when no weight is left."""
    total = np.cumsum(weight if weight.any() else free, dtype=np.float64)
    return int(np.searchsorted(total, rng.random() * total[-1], side="right"))
