"""Margin at the decision: the least margin where the model changes its answer, not where its probabilities tie.

A model whose thresholds serve rare classes decides for them far below one half; plain margins, taken on its calibrated
probabilities, ask elsewhere. This is margin sampling as it would be with a model that decides by its probabilities.
"""

from scipy.special import expit, softmax

from scripts.bench.selection_peers.peer import Seen
from scripts.bench.selection_peers.scores import highest, tie
from shared.pool import Index
from shared.project import Task


def decision_margin(view: Seen, count: int) -> Index:
    """The items with the least margin between the two best answers, the model's thresholds included."""
    if view.scores is None:
        raise ValueError("this strategy needs a model")
    eligible, exclusive = view.pool.eligible, view.config.task is Task.SINGLE
    scores = view.scores[eligible]
    return eligible[highest(tie(softmax(scores, axis=1) if exclusive else expit(scores), exclusive=exclusive), count)]
