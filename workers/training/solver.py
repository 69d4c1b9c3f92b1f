"""Ridge-penalised logistic regression for many related fits: several classes at once, folds, a path of penalties.

With log loss this is scikit-learn's `LogisticRegression(C=strength)`, divided by the number of rows:
`(1/n) sum_i w_i loss_i + |W|^2 / (2 n strength)`, the bias free. Sentence vectors have a few strong directions and many
weak ones, on which plain L-BFGS spends most of its steps, so the vectors are turned to their principal axes once
(the penalty does not see a rotation) and each axis is scaled by its curvature: a diagonal preconditioner
(Nocedal and Wright, "Numerical Optimization", 2006, section 7.2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from shared.pool import Floats, Index, Mask
from workers.training.losses import LOG_LOSS, Loss

_MOST_STEPS = 200


@dataclass(frozen=True)
class Stop:
    """When a fit is good enough: as it stands, both are an order below what moves a predicted probability by 0.01.

    Attributes:
        decrease: a relative decrease of the loss under which a step is the last.
        flat: the largest slope, in preconditioned coordinates, that counts as none.
    """

    decrease: float = 1e-5
    flat: float = 3e-4


_EXACT = Stop()


@dataclass(frozen=True)
class Axes:
    """Vectors on principal axes, their own or those of vectors like them.

    Attributes:
        coordinates: (n, d) float32, the vectors in the new coordinates.
        axes: (d, d) float32, the axes as columns: `vectors = coordinates @ axes.T`.
        spread: (d,) float32, mean square of each coordinate.
    """

    coordinates: Floats
    axes: Floats
    spread: Floats


def principal_axes(vectors: Floats) -> Axes:
    """Turn vectors (n, d) float32, n >= 1, to their principal axes."""
    return on_axes(vectors, axes_of(vectors))


def axes_of(vectors: Floats) -> Floats:
    """(d, d) float32: the principal axes of vectors (n, d) float32, n >= 1, as columns."""
    moment = vectors.T @ vectors / np.float32(len(vectors))
    axes: Floats = np.linalg.eigh(moment)[1]
    return axes


def on_axes(vectors: Floats, axes: Floats) -> Axes:
    """Turn vectors (n, d) float32, n >= 1, to given axes: those of vectors like them condition a fit as well."""
    return spread_on(vectors @ axes, axes)


def spread_on(coordinates: Floats, axes: Floats) -> Axes:
    """Vectors that were turned already: (n, d) float32 coordinates, n >= 1, on given axes."""
    return Axes(coordinates, axes, np.einsum("nd,nd->d", coordinates, coordinates) / np.float32(len(coordinates)))


def minimise(
    axes: Axes,
    rows: Index,
    targets: Mask | Floats,
    weights: Floats,
    *,
    strength: float,
    exclusive: bool,
    start: Floats | None = None,
    loss: Loss = LOG_LOSS,
    stop: Stop = _EXACT,
) -> Floats:
    """Fit to some rows.

    Args:
        axes: All vectors.
        rows: (m,) int64, rows to fit to, m >= 1; one that stands there twice counts twice.
        targets: (m, k) bool, of those rows; exactly one true in each where `exclusive`. Or float32, probabilities,
            which add up to 1 in each row where `exclusive`.
        weights: (m, k) float32, weight of each row in the loss of each class; where `exclusive` its columns are equal.
        strength: Inverse of the penalty, as scikit-learn's `C`.
        exclusive: Softmax over the classes; otherwise a sigmoid for each.
        start: (k, d + 1) coefficients to start from, such as a fit with another strength.
        loss: Of an item.
        stop: When to end.

    Returns:
        (k, d + 1) float32, coefficients in the coordinates of the axes, the bias in the last column.
    """
    count, classes, penalty = len(rows), targets.shape[1], 1 / (strength * len(rows))
    curvature = 1 / classes if exclusive else 0.25  # of the loss in the score, at scores of zero, roughly
    scale = np.append(1 / np.sqrt(curvature * axes.spread + penalty), 1 / np.sqrt(curvature)).astype(np.float32)
    design = np.empty((count, len(scale)), dtype=np.float32)
    np.multiply(axes.coordinates[rows], scale[:-1], out=design[:, :-1])
    design[:, -1] = scale[-1]
    ridge = np.append(penalty * scale[:-1] ** 2, 0).astype(np.float32)
    share = weights / np.float32(count)
    loss_of = loss.of_softmax if exclusive else loss.of_sigmoids

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        coefficients = flat.reshape(classes, -1).astype(np.float32)
        missed, slope = loss_of(design @ coefficients.T, targets, share)
        shrunk = coefficients * ridge
        gradient = slope.T @ design + shrunk
        return missed + 0.5 * float(np.vdot(coefficients, shrunk)), gradient.ravel().astype(np.float64)

    first = np.zeros((classes, len(scale))) if start is None else start / scale
    found = minimize(
        objective,
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MOST_STEPS, "ftol": stop.decrease, "gtol": stop.flat},
    )
    coefficients: Floats = (found.x.reshape(classes, -1) * scale).astype(np.float32)
    return coefficients


def scores(axes: Axes, rows: Index, coefficients: Floats) -> Floats:
    """(len(rows), k) float32 scores (log-odds, or logits of the softmax) of some rows."""
    return axes.coordinates[rows] @ coefficients[:, :-1].T + coefficients[:, -1]


def turn_back(axes: Axes, coefficients: Floats) -> tuple[Floats, Floats]:
    """Weights (k, d) and bias (k,) float32 for vectors in their own coordinates."""
    return coefficients[:, :-1] @ axes.axes.T, coefficients[:, -1]
