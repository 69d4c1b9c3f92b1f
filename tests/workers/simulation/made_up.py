"""Made-up labeled files and a quick encoder for the tests of the simulation."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.descriptions import description_texts
from shared.pool import Floats
from shared.project import ProjectConfig, Rule, Task
from shared.vectors import VectorTable
from workers.intake.rows import Columns, parse_row
from workers.intake.rules import hint_columns
from workers.simulation.dataset import Dataset, LabeledItem
from workers.simulation.preparation import ReplayData, prepare

_WORDS = ("the", "a", "my", "card", "order", "screen", "please", "again", "today", "since", "new", "old", "late", "why")
_TELLING = {"common": "invoice", "second": "delivery", "rare": "fraud"}


class WordEncoder:
    """Adds up a random direction for each word: texts that share words are alike. Counts what it encodes."""

    key = "words@1"

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> Floats:
        self.encoded += texts
        vectors = np.array([sum(map(_direction, text.lower().split()), np.zeros(64)) for text in texts])
        unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        return unit


def make_rows(items: int, *, seed: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """Rows with one class each, about one in ten rare; each text holds a word that tells its class, twice."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(items):
        name = "common" if number % 10 else "rare"
        words = [*rng.choice(_WORDS, size=3), _TELLING[name], _TELLING[name], f"n{number}"]
        rows.append({"id": f"i{number}", "text": " ".join(rng.permutation(words).tolist()), "label": name, **fields})
    return rows


def make_dataset(
    rows: Iterable[Mapping[str, Any]], *, task: Task = Task.SINGLE, hints: tuple[str, ...] = ()
) -> Dataset:
    """What `read_dataset` would give for these rows."""
    items = tuple(
        LabeledItem(
            parse_row(row, columns=Columns(hints=hints), derived=Counter()),
            frozenset([row["label"]] if isinstance(row["label"], str) else row["label"]),
            row.get("split") == "test",
        )
        for row in rows
    )
    return Dataset(task, items, tuple(sorted({name for row in items for name in row.classes})), ())


def make_config(dataset: Dataset, *, batch: int = 5, seed: int = 0, **sections: Any) -> ProjectConfig:
    """The project that a simulation of this file stands for."""
    return ProjectConfig.model_validate(
        {
            "task": dataset.task,
            "classes": dataset.classes,
            "seed": seed,
            "selection": {"batch_size": batch},
            **sections,
        }
    )


def encode(dataset: Dataset, config: ProjectConfig | None = None) -> VectorTable:
    """The word encoder's vectors of all texts and of the rules' descriptions, as the store would give them."""
    texts = {row.item.text_key: row.item.text for row in dataset.items}
    texts |= description_texts(config.rules) if config else {}
    return encode_texts(texts)


def encode_texts(texts: Mapping[int, str]) -> VectorTable:
    """The word encoder's vectors by text key."""
    keys = np.array(sorted(texts), dtype=np.int64)
    matrix = WordEncoder().encode([texts[key] for key in keys.tolist()]).astype(np.float16)
    return VectorTable(keys, np.arange(len(keys)), matrix)


def prepare_rows(rows: Iterable[Mapping[str, Any]], **sections: Any) -> tuple[ReplayData, ProjectConfig]:
    """Pool and test set of rows, and the configuration that they were made with."""
    hints = hint_columns(Rule.model_validate(rule) for rule in sections.get("rules", ()))
    dataset = make_dataset(rows, hints=hints)
    config = make_config(dataset, **sections)
    return prepare(dataset, encode(dataset, config), config), config


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _direction(word: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).normal(size=64)
