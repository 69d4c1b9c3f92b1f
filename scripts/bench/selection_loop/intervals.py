"""Paired bootstrap: how sure a difference between two strategies is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DRAWS = 10_000
_LEVEL = (2.5, 97.5)


@dataclass(frozen=True)
class Difference:
    """A mean of paired differences with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether the interval does not tell the two apart."""
        return self.low <= 0.0 <= self.high


def paired_difference(groups: Sequence[Sequence[float]]) -> Difference | None:
    """The mean of each group's mean difference, with a percentile interval over the pairs within the groups.

    Args:
        groups: For each data set the differences between two strategies, one a seed; one group for one set.

    Returns:
        None without any pair.
    """
    filled = [np.asarray(group, dtype=np.float64) for group in groups if len(group)]
    if not filled:
        return None
    rng = np.random.default_rng(0)  # equal files give equal reports
    means = np.mean([_resampled(group, rng) for group in filled], axis=0)
    low, high = np.percentile(means, _LEVEL)
    return Difference(float(np.mean([group.mean() for group in filled])), float(low), float(high))


def _resampled(group: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    means: NDArray[np.float64] = group[rng.integers(len(group), size=(_DRAWS, len(group)))].mean(axis=1)
    return means
