"""Most likely positive: the items that the model takes for rare classes with the highest probability.

As in Warmuth et al., "Active Learning with Support Vector Machines in the Drug Discovery Process" (2003).
"""

import numpy as np

from scripts.bench.selection_peers.peer import Seen, probabilities
from scripts.bench.selection_peers.scores import first_of_each
from shared.pool import Index


def most_likely_positive(view: Seen, count: int) -> Index:
    """The most probable items of each rare class in turn.

    Which classes are positive is not told to any strategy: they are those that have under half of an even share of the
    labels so far, or the one with fewest labels when none has.
    """
    eligible, labels = view.pool.eligible, view.pool.label_counts
    known = labels > 0
    rare = np.flatnonzero(known & (labels < labels.sum() / len(labels) / 2))
    if not len(rare):
        rare = np.flatnonzero(known)[[np.argmin(labels[known])]]
    by_class = np.argsort(-probabilities(view)[np.ix_(eligible, rare)], axis=0, kind="stable")[:count]
    return eligible[first_of_each(by_class.ravel())[:count]]
