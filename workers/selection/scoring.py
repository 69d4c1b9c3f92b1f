"""The probabilities of a large pool, in parts, of which workers that are free do some.

A part is a run of whole blocks of `classifier.probabilities`, and a helper has the same vectors, the same model and the
same rows. So each number is the one that a worker alone would get.
"""

from collections.abc import Callable
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from shared.arrays import dump_arrays, load_arrays
from shared.lanes import Claim
from shared.pool import Features, Floats, Index, Lexical, Matrix, rows_of
from shared.settings import Settings
from workers.sharing import Arrays, Parts, Sharing
from workers.training import classifier, model_storage
from workers.training.classifier import LinearModel

# Items of a part: thirty-two blocks, a tenth of a second, and a result of 5 MB with 20 classes.
PART = 65_536


def shared(
    settings: Settings,
    claimed: Claim,
    call: Callable[[int], None],
    model: LinearModel,
    matrix: Matrix,
    rows: Index,
) -> Floats:
    """As `classifier.probabilities` of the last three.

    Args:
        settings: Of this process.
        claimed: The lane of the round.
        call: Sends so many hints that somebody helps.
        model: The classifier.
        matrix: (m, d) vectors of a project, perhaps with lexical features beside them.
        rows: (n,) int64, rows of `matrix`.
    """
    stored = np.frombuffer(model_storage.dump(model, header={}), dtype=np.uint8)
    parts = [slice(start, start + PART) for start in range(0, len(rows), PART)]
    sharing = Sharing(
        settings,
        claimed,
        Parts(
            count=len(parts),
            ask=lambda number: dump_arrays({"model": stored, **_places(matrix, rows[parts[number]])}, {}),
            do=lambda number: _scored(model, matrix, rows[parts[number]]),
            call=call,
        ),
    )
    probability = np.empty((len(rows), len(model.classes)), dtype=np.float32)
    with closing(sharing.results()) as results:
        for part, result in zip(parts, results, strict=True):
            probability[part] = result["probability"]
    return probability


def answer(asked: bytes, vectors: NDArray[np.float16], words: NDArray[np.float16] | None = None) -> Arrays:
    """What a helper with the same vectors, and the same lexical features if there are any, answers to a part."""
    arrays, _ = load_arrays(asked)
    model, rows = model_storage.load(arrays["model"].tobytes()), arrays["rows"]
    if words is None:
        return _scored(model, vectors, rows)
    features = Features(rows_of(vectors, rows), Lexical(words, arrays["words"]))
    return _scored(model, features, np.arange(len(rows)))


def _places(matrix: Matrix, rows: Index) -> dict[str, Index]:
    """The rows of a part, and those of their lexical features where the matrix has some."""
    return {"rows": rows} | ({"words": matrix.lexical.rows[rows]} if isinstance(matrix, Features) else {})


def _scored(model: LinearModel, matrix: Matrix, rows: Index) -> Arrays:
    return {"probability": classifier.probabilities(model, matrix, rows)}
