"""Prepared data sets, kept on disk: duplicates and splits take longer to work out than most replays."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.selection_loop import sets
from scripts.bench.selection_loop.sets import BenchSet
from shared import pool as pools
from shared.arrays import dump_arrays, load_arrays
from shared.pool import Index, Lexical, Pool
from shared.project import ProjectConfig, Task
from shared.vectors import VectorTable
from workers.embedding import lexicon
from workers.intake import duplicates
from workers.simulation import dataset, preparation
from workers.simulation.preparation import ReplayData, TestSet, prepare
from workers.training import splits

# Whose text decides what is prepared: a change of one makes all that is kept worthless.
_CODE = (sets, pools, duplicates, dataset, preparation, splits, lexicon)
_LEXICAL = "lexical"


@dataclass(frozen=True)
class Prepared:
    """A data set as one seed sees it, ready to be replayed.

    Attributes:
        task: What the labels look like.
        rare: Its rare classes, where they are named; None where their share decides.
        data: Pool, labels and test set.
    """

    task: Task
    rare: tuple[str, ...] | None
    data: ReplayData


def prepare_set(bench_set: BenchSet, *, seed: int, vectors: VectorTable, folder: Path | None) -> Prepared:
    """Prepare a set for a seed, or take it from the folder where it was kept; None keeps nothing."""
    if folder is None:
        return _prepare(bench_set, seed, vectors)
    place = folder / f"{bench_set.name}-{seed}-{_fingerprint(bench_set)}.safetensors"
    if not place.exists():
        _write(place, _dump(_prepare(bench_set, seed, vectors), vectors))
    return _load(place.read_bytes(), vectors)


def _prepare(bench_set: BenchSet, seed: int, vectors: VectorTable) -> Prepared:
    made = bench_set.make(seed)
    config = ProjectConfig(task=made.dataset.task, classes=made.dataset.classes, seed=seed)
    _rows(vectors, np.array([row.item.text_key for row in made.dataset.items], dtype=np.int64))
    return Prepared(made.dataset.task, made.rare, prepare(made.dataset, vectors, config))


def _fingerprint(bench_set: BenchSet) -> str:
    digest = hashlib.sha256()
    for module in _CODE:
        digest.update(Path(str(module.__file__)).read_bytes())
    state = bench_set.file.stat()
    digest.update(f"{bench_set.file.resolve()} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _write(place: Path, blob: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_suffix(".new")
    unfinished.write_bytes(blob)
    unfinished.replace(place)


def _dump(prepared: Prepared, vectors: VectorTable) -> bytes:
    """Everything but the vectors; instead of their rows, which a new cache would number otherwise, the text keys."""
    key_of_row = np.zeros(len(vectors.matrix), dtype=np.int64)
    key_of_row[vectors.rows] = vectors.keys
    arrays: dict[str, np.ndarray[Any, Any]] = {"truth": prepared.data.truth}
    if (lexical := prepared.data.pool.lexical) is not None:
        arrays[_LEXICAL] = lexical.matrix[lexical.rows[_rows_of_both(prepared.data.pool, prepared.data.test)]]
    header: dict[str, Any] = {
        "task": prepared.task,
        "rare": prepared.rare,
        "left_out": prepared.data.left_out,
    }
    for part, value in (("pool", prepared.data.pool), ("test", prepared.data.test)):
        for name in _names(type(value)):
            found = getattr(value, name)
            if name == "rows":
                arrays[f"{part}.{name}"] = key_of_row[found]
            elif isinstance(found, np.ndarray):
                arrays[f"{part}.{name}"] = found
            else:
                header[f"{part}.{name}"] = found
    return dump_arrays(arrays, header)


def _load(blob: bytes, vectors: VectorTable) -> Prepared:
    arrays, header = load_arrays(blob)
    found: Mapping[str, Any] = header | arrays

    def build(part: str, kind: Callable[..., Any], **known: Any) -> Any:
        values = {name: _as_given(found[f"{part}.{name}"]) for name in _names(kind)}
        return kind(**{**values, "rows": _rows(vectors, values["rows"]), **known})

    pool, test = build("pool", Pool, matrix=vectors.matrix), build("test", TestSet)
    if _LEXICAL in arrays:
        rows = _rows_of_both(pool, test)
        pool = replace(pool, lexical=Lexical.of(arrays[_LEXICAL], rows, height=len(vectors.matrix)))
    data = ReplayData(pool=pool, truth=arrays["truth"], test=test, left_out=header["left_out"])
    return Prepared(Task(header["task"]), _as_given(header["rare"]), data)


def _rows_of_both(pool: Pool, test: TestSet) -> Index:
    """Rows of the matrix of vectors: of the pool's items, then of the test set's."""
    return np.concatenate([pool.rows, test.rows])


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind) if field.name not in ("matrix", "lexical")]


def _as_given(value: Any) -> Any:
    """JSON knows no tuples."""
    return tuple(value) if isinstance(value, list) else value


def _rows(vectors: VectorTable, keys: Index) -> Index:
    """Rows of text keys, all of which must be there."""
    rows = vectors.locate(keys)
    if (rows < 0).any():
        raise RuntimeError(f"the cache of vectors lacks {int((rows < 0).sum())} text(s) of the set")
    return rows
