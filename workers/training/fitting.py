"""What a classifier is fitted to, and the fit: class-weighted logistic regression, with over- and undersampling."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index, Mask
from shared.training_options import Training
from workers.right_of_way import pause
from workers.training import sampling, solver
from workers.training.calibration import Doubles
from workers.training.losses import Loss
from workers.training.solver import Axes
from workers.training.weighting import class_weights

# Log-odds of a class that has no example yet: as good as never, yet finite in every sum.
NEVER = -30.0

_DEFAULTS = Training()


@dataclass(frozen=True)
class Added:
    """Augmented texts: they teach beside the labeled items that they are made from, and are asked about nothing.

    Attributes:
        parents: (k,) int64, row of the labeled item that each is made from. A fit that does not see that row does not
            see the text.
        vectors: (k, d) float32, unit length.
        targets: (k, n_classes) bool; a class of a text is one of its parent's, so a fit that sees it knows the class.
        weight: how much each counts beside its parent.
    """

    parents: Index
    vectors: Floats
    targets: Mask
    weight: float


@dataclass(frozen=True)
class Sample:
    """Labeled items as training sees them.

    Attributes:
        axes: their vectors.
        targets: (n, n_classes) bool.
        weights: (n,) float32, how much each item counts, before class weights.
        costs: (n_classes,) how many times as much an error on a class weighs.
        exclusive: whether each row of `targets` holds exactly one true.
        families: (n,) items with equal numbers are over- and undersampled together.
        options: how fits treat classes of uneven size.
        seed: of over- and undersampling.
        added: augmented texts; the axes hold them after the labeled items.
    """

    axes: Axes
    targets: Mask
    weights: Floats
    costs: Doubles
    exclusive: bool
    families: Index
    options: Training
    seed: int
    added: Added | None = None


def gather(
    vectors: Floats,
    targets: Mask,
    *,
    axes: Floats | None = None,
    weights: Floats | None = None,
    classes: tuple[str, ...],
    exclusive: bool,
    costs: Mapping[str, float],
    families: Index | None = None,
    options: Training = _DEFAULTS,
    seed: int = 0,
    added: Added | None = None,
) -> Sample:
    """Prepare labeled items.

    Args:
        vectors: (n, d) float32, unit length.
        targets: (n, n_classes) bool.
        axes: (d, d) float32, principal axes of vectors like these, which need not be found then.
        weights: (n,) float32, how much each item counts; 1 each if not given.
        classes: names of the columns of `targets`.
        exclusive: whether each row of `targets` holds exactly one true.
        costs: how many times as much an error on a class weighs; 1 where not named.
        families: (n,) items with equal numbers are sampled together; each its own if not given.
        options: how fits treat classes of uneven size.
        seed: of over- and undersampling.
        added: augmented texts that are made from these items.
    """
    cost = np.array([costs.get(name, 1.0) for name in classes])
    counted = np.ones(len(targets), dtype=np.float32) if weights is None else weights
    alone = np.arange(len(targets)) if families is None else families
    all_ = vectors if added is None else np.concatenate([vectors, added.vectors])
    turned = solver.on_axes(all_, solver.axes_of(all_) if axes is None else axes)
    return Sample(turned, targets, counted, cost, exclusive, alone, options, seed, added)


def learnable(targets: Mask) -> Mask:
    """(n_classes,) whether labels (n, n_classes) tell each class from the others."""
    counts = targets.sum(axis=0)
    known: Mask = (counts > 0) & (counts < len(targets))
    return known


def fit(sample: Sample, rows: Index, *, strength: float, start: Floats | None = None) -> Floats:
    """Fit to some rows of a sample and the texts made from them; over- and undersampling is done within the rows.

    Args:
        sample: Labeled items.
        rows: (m,) int64, of the sample.
        strength: Inverse of the ridge penalty, as scikit-learn's `C`.
        start: Coefficients that may be near, such as an earlier call for the same rows returned.

    Returns:
        (n_classes, d + 1) float32 coefficients on the sample's axes; those of a class that can't be learned say never,
        or always where all items have it.
    """
    pause()
    targets = sample.targets[rows]
    learned = np.flatnonzero(learnable(targets))
    coefficients = np.zeros((targets.shape[1], sample.axes.coordinates.shape[1] + 1), dtype=np.float32)
    coefficients[:, -1] = np.where(targets.all(axis=0), -NEVER, NEVER)
    if not len(learned):
        return coefficients
    begin = None if start is None else start[learned]
    fits = [_fit_part(sample, part, learned, strength, begin) for part in _parts(sample, rows)]
    coefficients[learned] = fits[0] if len(fits) == 1 else np.mean(fits, axis=0)
    return coefficients


def unweighted(sample: Sample, rows: Index) -> Doubles:
    """(n_classes,) what to add to the scores of a model fitted to `rows`, so that the class weights are undone.

    A row that was repeated counts as often as it was seen, and one that was left out not at all; augmented texts make
    no class more frequent. Focal loss and smoothed labels bend scores in other ways, which calibration sees to.
    """
    parts = _parts(sample, rows)
    found = [_unweighted_part(sample, part, sample.targets[rows]) for part in parts]
    return found[0] if len(found) == 1 else np.mean(found, axis=0)


def _parts(sample: Sample, rows: Index) -> list[Index]:
    """Rows of each fit to `rows`: of one in which a class can't be told any more, all."""
    targets, options = sample.targets[rows], sample.options
    drawn = sampling.draw(
        targets, sample.families[rows], sampling=options.sampling, members=options.members, seed=sample.seed
    )
    told = learnable(targets)
    return [rows[part] if np.array_equal(learnable(targets[part]), told) else rows for part in drawn]


@dataclass(frozen=True)
class _Taught:
    """What a fit sees.

    Attributes:
        rows: (m,) rows of the axes: labeled items, and the texts made from them.
        targets: (m, n_classes) bool.
        counts: (m,) how much of an item each is: 1 for labeled ones.
        weights: (m,) how much each item, or the item that a text is made from, counts.
    """

    rows: Index
    targets: Mask
    counts: Doubles
    weights: Floats


def _taught(sample: Sample, part: Index) -> _Taught:
    targets, weights, added = sample.targets[part], sample.weights[part], sample.added
    if added is None:
        return _Taught(part, targets, np.ones(len(part)), weights)
    own = np.flatnonzero(np.isin(added.parents, part))
    return _Taught(
        np.concatenate([part, len(sample.targets) + own]),
        np.concatenate([targets, added.targets[own]]),
        np.concatenate([np.ones(len(part)), np.full(len(own), added.weight)]),
        np.concatenate([weights, sample.weights[added.parents[own]]]),
    )


def _fit_part(sample: Sample, part: Index, learned: Index, strength: float, start: Floats | None) -> Floats:
    taught = _taught(sample, part)
    counted = (taught.weights * taught.counts).astype(np.float32)
    weights = _item_weights(taught, sample) * counted[:, None]
    return solver.minimise(
        sample.axes,
        taught.rows,
        taught.targets.take(learned, axis=1),  # unlike `[:, learned]` it leaves each row in one piece for the solver
        weights.take(learned, axis=1),
        strength=strength,
        exclusive=sample.exclusive,
        start=start,
        loss=Loss(sample.options.focal_gamma, sample.options.label_smoothing),
    )


def _unweighted_part(sample: Sample, part: Index, answers: Mask) -> Doubles:
    """What undoes the weights of a fit to `part` and that `part` is not the rows whose labels are `answers`."""
    taught = _taught(sample, part)
    weights, targets = _item_weights(taught, sample) * taught.counts[:, None], taught.targets
    positive = np.divide(
        (weights * targets).sum(axis=0), answers.sum(axis=0), out=np.ones(targets.shape[1]), where=answers.any(axis=0)
    )
    if sample.exclusive:
        # Only differences matter to a softmax, but a decision follows them class by class, as far as each is trusted.
        # So items weigh 1 on average however often they are repeated, or decisions would lean to rare classes the more.
        # Where items are left out they stay as they are: scores of the few that are left are no ground to lean on.
        return np.asarray(np.log(max(len(part) / len(answers), 1.0)) - np.log(positive))
    negative = np.divide(
        (weights * ~targets).sum(axis=0),
        (~answers).sum(axis=0),
        out=np.ones(targets.shape[1]),
        where=~answers.all(axis=0),
    )
    return np.asarray(np.log(negative) - np.log(positive))


def _item_weights(taught: _Taught, sample: Sample) -> Floats:
    """(m, n_classes) weight of each row in the loss of each class."""
    targets, weighting = taught.targets, sample.options.class_weights
    counts, others = taught.counts @ targets, taught.counts @ ~targets
    if sample.exclusive:
        by_class = class_weights(counts, weighting) * sample.costs
        row = by_class[targets.argmax(axis=1)]
        return np.broadcast_to(row[:, None], targets.shape).astype(np.float32)
    sides = np.stack([class_weights(np.array(both), weighting) for both in zip(others, counts, strict=True)])
    return np.where(targets, sides[:, 1] * sample.costs, sides[:, 0]).astype(np.float32)
