"""What a model version was made of: kept in the header of its arrays, so that two versions can be told apart. Pure."""

import hashlib
import json
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

import numpy as np

from shared.pool import Pool
from shared.project import ProjectConfig, Task
from workers.training.splits import FOLDS

# The sections of a project file that training and its decisions go by.
_OPTIONS = ("training", "costs", "error_costs", "goals", "augmentation")


def provenance(pool: Pool, config: ProjectConfig, *, encoder: str) -> dict[str, Any]:
    """What a model of all labels of a pool is trained on and how, JSON-ready.

    Args:
        pool: The pool, with the folds that training used.
        config: The project.
        encoder: Key of the encoder of the pool's vectors.

    Returns:
        `encoder`; `seed`; `labels`, labeled items; `label_counts` by class; `data`, a SHA-256 of the item ids with
        their classes, in the order of the ids, so that equal hashes mean equal training data; `folds`, how many, the
        labels in each, and a SHA-256 of the item ids with their folds; `lexical`, whether the model looks at lexical
        features beside the vectors; `augmented`, how many texts made from labeled
        items taught too, and a SHA-256 of their vectors, None without any; `options`, the project file's sections on
        training.
    """
    rows = np.flatnonzero(pool.labeled)
    rows = rows[pool.targets[rows].any(axis=1)] if config.task is Task.SINGLE else rows
    items, by_row = [pool.item_ids[row] for row in rows.tolist()], [list[str]() for _ in rows]
    for row, column in zip(*(found.tolist() for found in np.nonzero(pool.targets[rows])), strict=True):
        by_row[row].append(pool.classes[column])
    answers = {item: tuple(names) for item, names in zip(items, by_row, strict=True)}
    folds = dict(zip(answers, pool.folds[rows].tolist(), strict=True))
    return {
        "encoder": encoder,
        "seed": config.seed,
        "labels": int(pool.labeled.sum()),
        "label_counts": dict(zip(pool.classes, pool.label_counts.tolist(), strict=True)),
        "data": _hash(answers),
        "folds": {
            "count": FOLDS,
            "labels": np.bincount(pool.folds[rows], minlength=FOLDS).tolist(),
            "data": _hash(folds),
        },
        "lexical": config.training.lexical and pool.lexical is not None,
        "augmented": _augmented(pool),
        "options": config.model_dump(mode="json", include=set(_OPTIONS)),
    }


def _augmented(pool: Pool) -> dict[str, Any] | None:
    """How many augmented texts there are, and a hash of the ids of their parents with their vectors, in any order."""
    made = pool.augmented
    if made is None or not len(made.parents):
        return None
    lines = sorted(
        pool.item_ids[parent].encode() + vector.astype("<f4").tobytes()
        for parent, vector in zip(made.parents.tolist(), made.vectors, strict=True)
    )
    return {"texts": len(lines), "data": hashlib.sha256(b"".join(lines)).hexdigest()}


def _hash(by_item: dict[str, Any]) -> str:
    """A line of JSON for each item, `["item", what]`, the items in order."""
    said = lru_cache(json.dumps)  # few things are said of many items
    lines = (f"[{encode_basestring_ascii(item)}, {said(by_item[item])}]\n" for item in sorted(by_item))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
