import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.bench.selection_loop import sets
from scripts.bench.selection_loop.sets import Made, cut_class, few_intents, find_sets, read_thinned
from shared.errors import InvalidInputError
from tests.workers.simulation.made_up import make_dataset, make_rows, write_rows


def _counts(made: Made) -> Counter[str]:
    return Counter(name for row in made.dataset.items for name in row.classes)


def test_a_class_is_cut_to_one_percent_by_other_items_for_another_seed() -> None:
    dataset = make_dataset(make_rows(2_000))
    cuts = [cut_class(dataset, np.random.default_rng(seed), name="rare") for seed in (0, 0, 1)]
    assert _counts(cuts[0]) == {"common": 1_800, "rare": 18}
    assert cuts[0].rare == ("rare",)
    assert cuts[0].dataset.items == cuts[1].dataset.items != cuts[2].dataset.items


def test_five_of_thirty_intents_keep_fifteen_items_outside_the_test_set() -> None:
    rows: list[dict[str, Any]] = [
        {"id": f"{name}-{number}", "text": f"text {name} {number}", "label": name, "split": split}
        for name in (*(f"intent-{place}" for place in range(40)), "oos")
        for number, split in enumerate(["train"] * 30 + ["test"] * 10)
    ]
    made = few_intents(make_dataset(rows), np.random.default_rng(0))
    in_pool = Counter(name for row in made.dataset.items if not row.test for name in row.classes)
    in_test = Counter(name for row in made.dataset.items if row.test for name in row.classes)
    assert made.rare is not None
    assert len(made.dataset.classes) == len(in_pool) == 30
    assert "oos" not in in_pool
    assert {in_pool[name] for name in made.rare} == {15}
    assert sorted(in_pool.values()) == [15] * 5 + [30] * 25
    assert set(in_test.values()) == {10}


def test_a_large_file_is_thinned_out_in_the_same_way_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "MOST_ITEMS", 50)
    file = write_rows(tmp_path / "mail.jsonl", make_rows(200))
    first = read_thinned(file)
    read_thinned.cache_clear()
    assert len(first.items) == 50
    assert read_thinned(file) == first
    order = [int(row.item.item_id[1:]) for row in first.items]
    assert order == sorted(order)


def test_sets_are_the_files_that_name_classes_and_their_variations(tmp_path: Path) -> None:
    write_rows(tmp_path / "mail.jsonl", make_rows(10))
    entities = {"id": "1", "text": "a b", "tokens": ["a", "b"], "tags": ["O", "B-x"]}
    write_rows(tmp_path / "entities.jsonl", [entities])
    with gzip.open(tmp_path / "sms_spam.jsonl.gz", "wt") as stream:
        for number in range(400):
            label = "spam" if number % 8 == 0 else "ham"
            stream.write(json.dumps({"id": str(number), "text": f"text {number}", "label": label}) + "\n")
    (tmp_path / "notes.md").write_text("not a set")
    found = find_sets(tmp_path)
    assert list(found) == ["mail", "sms_spam", "sms_spam-1pct"]
    assert _counts(found["sms_spam"].make(0)) == {"ham": 350, "spam": 50}
    assert _counts(found["sms_spam-1pct"].make(0)) == {"ham": 350, "spam": 4}


def test_an_empty_folder_is_told_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="--data FOLDER"):
        find_sets(tmp_path)
    with pytest.raises(InvalidInputError, match="--data FOLDER"):
        find_sets(tmp_path / "nowhere")
