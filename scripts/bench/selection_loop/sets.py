"""The labeled files that strategies are compared on, as they are and with a class made rare."""

import gzip
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from shared.errors import InvalidInputError
from shared.pool import Mask
from workers.simulation.dataset import Dataset, read_dataset

# What two cores replay in minutes; a larger file is thinned out, always in the same way.
MOST_ITEMS = 20_000
_RARE_SHARE = 0.01
_INTENTS, _RARE_INTENTS, _RARE_INTENT_ITEMS = 30, 5, 15
_NO_INTENT = "oos"
_ENDINGS = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class Made:
    """A data set as one seed sees it; `rare` names its rare classes, None where their share decides."""

    dataset: Dataset
    rare: tuple[str, ...] | None = None


Vary = Callable[[Dataset, np.random.Generator], Made]
"""Makes a variation of a data set; what is cut away differs from seed to seed."""


@dataclass(frozen=True)
class BenchSet:
    """A name, the file behind it, and how it is varied."""

    name: str
    file: Path
    vary: Vary | None = None

    def make(self, seed: int) -> Made:
        """The data set that a seed sees."""
        dataset = read_thinned(self.file)
        return Made(dataset) if self.vary is None else self.vary(dataset, np.random.default_rng(seed))


def cut_class(dataset: Dataset, rng: np.random.Generator, *, name: str, share: float = _RARE_SHARE) -> Made:
    """Leave so many items of a class, drawn at random, that it is such a share of all items."""
    of_class = np.array([name in row.classes for row in dataset.items])
    others = int((~of_class).sum())
    left = max(1, round(share * others / (1 - share)))
    return Made(_keep(dataset, ~of_class | _drawn(of_class, left, rng)), rare=(name,))


def few_intents(dataset: Dataset, rng: np.random.Generator) -> Made:
    """Keep 30 intents drawn at random; 5 of them keep 15 items each outside the test set."""
    names = [name for name in dataset.classes if name != _NO_INTENT]
    intents = rng.choice(np.array(names), size=min(_INTENTS, len(names)), replace=False).tolist()
    rare = tuple(intents[:_RARE_INTENTS])
    kept = np.array([row.classes <= set(intents) for row in dataset.items])
    for name in rare:
        of_class = np.array([name in row.classes and not row.test for row in dataset.items])
        kept &= ~of_class | _drawn(of_class, _RARE_INTENT_ITEMS, rng)
    return Made(_keep(dataset, kept), rare=rare)


# Name of the set -> the file that it is made of, and how.
VARIATIONS: Mapping[str, tuple[str, Vary]] = {
    "davidson_hate-1pct": ("davidson_hate", partial(cut_class, name="hate_speech")),
    "sms_spam-1pct": ("sms_spam", partial(cut_class, name="spam")),
    "crisislex_t26-1pct": ("crisislex_t26", partial(cut_class, name="Infrastructure and utilities")),
    "crisislex_t6-1pct": ("crisislex_t6", partial(cut_class, name="on-topic")),
    "clinc150-30-rare5": ("clinc150_full", few_intents),
}


def find_sets(folder: Path) -> dict[str, BenchSet]:
    """All sets that a folder's labeled files give, by name, the variations last.

    Raises:
        InvalidInputError: the folder holds none; says what is expected.
    """
    files = {_stem(path): path for path in sorted(folder.glob("*")) if path.name.endswith(_ENDINGS)}
    files = {name: path for name, path in files.items() if _names_classes(path)}
    if not files:
        raise InvalidInputError(
            f"{folder}: there is no labeled file. A folder with JSON Lines files (*.jsonl or *.jsonl.gz) is expected, "
            "whose rows have a text and a label, as `quietcorner simulate` reads them: --data FOLDER"
        )
    sets = {name: BenchSet(name, path) for name, path in files.items()}
    for name, (file, vary) in VARIATIONS.items():
        if file in files:
            sets[name] = BenchSet(name, files[file], vary)
    return sets


@lru_cache(maxsize=2)
def read_thinned(file: Path) -> Dataset:
    """A labeled file, thinned out to 20,000 items; a process keeps the last two."""
    dataset = read_dataset(file)
    count = len(dataset.items)
    if count <= MOST_ITEMS:
        return dataset
    kept = np.zeros(count, dtype=bool)
    kept[random.Random(0).sample(range(count), MOST_ITEMS)] = True  # nosec B311 # noqa: S311 - a draw, not a secret
    return _keep(dataset, kept)


def _keep(dataset: Dataset, kept: Mask) -> Dataset:
    items = tuple(row for row, is_kept in zip(dataset.items, kept.tolist(), strict=True) if is_kept)
    return replace(dataset, items=items, classes=tuple(sorted(frozenset().union(*(row.classes for row in items)))))


def _drawn(of_class: Mask, count: int, rng: np.random.Generator) -> Mask:
    """Marks `count` of the marked items, drawn at random."""
    places = np.flatnonzero(of_class)
    drawn = np.zeros(len(of_class), dtype=bool)
    drawn[rng.choice(places, size=min(count, len(places)), replace=False)] = True
    return drawn


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def _names_classes(path: Path) -> bool:
    """Whether the first row has a label: rows with tags are for finding entities."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as stream:
        try:
            row = json.loads(stream.readline() or b"null")
        except ValueError:
            return False
    return isinstance(row, dict) and bool(row.get("label"))
