"""What the machine can do with the vectors of a pool: what a round is measured against."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.bench.latency_loop import DIMENSION
from shared.project import ProjectConfig
from workers.training import classifier
from workers.training.calibration import untouched
from workers.training.classifier import LinearModel, Tuning

_BLOCK = 65_536
_BATCH = 100


def limits(folder: Path, config: ProjectConfig) -> dict[str, float]:
    """Seconds of the processor for one pass over all vectors of a data folder, the best of three each.

    Returns:
        `read_s`: each byte is looked at once; `numpy_s`: the plain way to probabilities and the 100 smallest margins;
        `scored_s`: the product's way to probabilities.
    """
    matrix = _vectors(folder)
    model = _model(config)
    rows = np.arange(len(matrix))
    return {
        "read_s": _best_of_three(lambda: _read(matrix)),
        "numpy_s": _best_of_three(lambda: _plain(matrix, model)),
        "scored_s": _best_of_three(lambda: classifier.probabilities(model, matrix, rows)),
    }


def _vectors(folder: Path) -> NDArray[np.float16]:
    """The local copy that holds most: those of the items."""
    copy = max((folder / "vectors").glob("*/vectors.f16"), key=lambda file: file.stat().st_size)
    return np.memmap(copy, dtype="<f2", mode="r").reshape(-1, DIMENSION)


def _model(config: ProjectConfig) -> LinearModel:
    """Some model: what it costs to ask it hangs on no number in it."""
    rng, count = np.random.default_rng(0), len(config.classes)
    nothing = np.zeros(count, dtype=np.float32)
    weights = rng.normal(size=(count, DIMENSION)).astype(np.float32)
    tuning = Tuning(0, 1.0, untouched(count), np.zeros(count), np.zeros(count))
    return LinearModel(config.classes, True, weights, nothing, nothing, tuning, nothing)


def _read(matrix: NDArray[np.float16]) -> int:
    return max(int(matrix[start : start + _BLOCK].view(np.uint64).max()) for start in range(0, len(matrix), _BLOCK))


def _plain(matrix: NDArray[np.float16], model: LinearModel) -> NDArray[np.int64]:
    margins = []
    for start in range(0, len(matrix), _BLOCK):
        scores = matrix[start : start + _BLOCK].astype(np.float32) @ model.weights.T + model.bias
        scores -= scores.max(axis=1, keepdims=True)
        odds = np.exp(scores)
        two = np.partition(odds / odds.sum(axis=1, keepdims=True), -2, axis=1)[:, -2:]
        margins.append(two[:, 1] - two[:, 0])
    return np.argpartition(np.concatenate(margins), _BATCH)[:_BATCH]


def _best_of_three(run: Callable[[], object]) -> float:
    took = []
    for _ in range(3):
        started = time.process_time()
        run()
        took.append(time.process_time() - started)
    return round(min(took), 3)
