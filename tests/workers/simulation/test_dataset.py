import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from shared.errors import InvalidInputError
from shared.project import Task
from tests.workers.simulation.made_up import write_rows
from workers.simulation.dataset import Dataset, LabeledColumns, read_dataset

TWO = [{"id": "a", "text": "one", "label": "x"}, {"id": "b", "text": "two", "label": "y"}]


def read(tmp_path: Path, *rows: dict[str, Any]) -> Dataset:
    return read_dataset(write_rows(tmp_path / "rows.jsonl", rows))


def test_a_string_is_one_class_and_the_classes_are_sorted(tmp_path: Path) -> None:
    dataset = read(tmp_path, *reversed(TWO))
    assert dataset.task is Task.SINGLE
    assert dataset.classes == ("x", "y")
    assert [(row.item.item_id, row.classes) for row in dataset.items] == [("b", frozenset("y")), ("a", frozenset("x"))]


def test_a_list_is_any_number_of_classes(tmp_path: Path) -> None:
    dataset = read(tmp_path, {"text": "one", "label": ["x", "y"]}, {"text": "two", "label": []})
    assert dataset.task is Task.MULTI
    assert [row.classes for row in dataset.items] == [{"x", "y"}, frozenset()]


def test_classes_may_be_numbered(tmp_path: Path) -> None:
    assert read(tmp_path, {"text": "one", "label": 0}, {"text": "two", "label": 1}).classes == ("0", "1")
    assert read(tmp_path, {"text": "one", "label": [0, 2]}, {"text": "two", "label": []}).classes == ("0", "2")


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("tweet,category,fold,label\none,x,train,7\ntwo,y,test,8\n")
    columns = LabeledColumns.parse(["text=tweet", "label=category", "split=fold"])
    assert [(row.item.text, row.classes, row.test) for row in read_dataset(path, columns).items] == [
        ("one", frozenset("x"), False),
        ("two", frozenset("y"), True),
    ]


def test_a_label_may_be_spread_over_columns_of_yes_and_no(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,toxic,threat\none,1,0\ntwo,0,0\nthree,TRUE,yes\nfour,2,0\nfive,1,\n")
    dataset = read_dataset(path, LabeledColumns.parse(["label=toxic,threat"]))
    assert dataset.task is Task.MULTI
    assert [row.classes for row in dataset.items] == [{"toxic"}, frozenset(), {"toxic", "threat"}]
    assert [row.reason.split(":")[0] for row in dataset.rejected] == ["toxic = '2'", "threat = ''"]

    path.write_text('text,"Label, final"\none,x\ntwo,y\n')
    assert read_dataset(path, LabeledColumns.parse(["label=Label, final"])).classes == ("x", "y")
    for wrong in ("toxic,", ",", "toxic,threat,toxic"):
        with pytest.raises(InvalidInputError, match="names with commas between them"):
            LabeledColumns.parse([f"label={wrong}"])
    with pytest.raises(InvalidInputError, match="no column 'obscene'"):
        read_dataset(path, LabeledColumns.parse(["label=toxic,obscene"]))


def test_a_file_without_a_label_says_how_to_name_its_column(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="--column label=category"):
        read(tmp_path, {"text": "one", "category": "x"})


def test_tags_give_the_entity_classes_that_occur(tmp_path: Path) -> None:
    dataset = read(
        tmp_path,
        {"tokens": ["Ann", "Lee", "left", "Rome"], "tags": ["B-person", "I-person", "O", "B-place"]},
        {"text": "nobody left", "tokens": ["nobody", "left"], "tags": ["O", "O"]},
    )
    assert dataset.task is Task.NER
    assert [row.classes for row in dataset.items] == [{"person", "place"}, frozenset()]
    assert [row.item.text for row in dataset.items] == ["Ann Lee left Rome", "nobody left"]


def test_only_rows_of_the_split_called_test_are_for_testing(tmp_path: Path) -> None:
    rows = [{**row, "split": split} for row, split in zip(TWO, ("dev", "test"), strict=True)]
    assert [row.test for row in read(tmp_path, *rows).items] == [False, True]
    assert not read(tmp_path, *TWO).has_test_split


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_labels_and_splits_are_read_from_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    if kind == "csv":
        path.write_text("id,text,label,split\na,one,x,train\nb,two,y,test\n")
    else:
        parquet.write_table(
            pa.table({"id": ["a", "b"], "text": ["one", "two"], "label": ["x", "y"], "split": ["train", "test"]}), path
        )
    assert [(row.item.item_id, row.classes, row.test) for row in read_dataset(path).items] == [
        ("a", frozenset("x"), False),
        ("b", frozenset("y"), True),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "three"}, "label is missing"),
        ({"text": "three", "label": ""}, "label is missing"),
        ({"text": "three", "label": 0.5}, "label holds 0.5"),
        ({"text": "three", "label": True}, "label holds True"),
        ({"text": "three", "label": " "}, "label holds ' '"),
        ({"text": "three", "label": ["x"]}, "a list of classes, where the first labeled row has one class"),
        ({"id": "a", "text": "three", "label": "x"}, "the id 'a' belongs to an earlier row"),
        ({"text": " ", "label": "x"}, "text is blank"),
        ({"tokens": ["three"], "tags": ["O", "O"]}, "two lists of the same length"),
        ({"tokens": ["three"], "tags": ["person"]}, "tags holds 'person'"),
    ],
)
def test_a_row_that_can_not_be_used_is_left_out_with_its_reason(
    tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    dataset = read(tmp_path, *TWO, row)
    assert len(dataset.items) == 2
    assert [rejected.line for rejected in dataset.rejected] == [3]
    assert reason in dataset.rejected[0].reason


def test_a_file_without_a_labeled_row_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInputError, match=r"no labeled row: 2 row\(s\) rejected, the first at line 1: label is missing"
    ):
        read(tmp_path, {"text": "one"}, {"text": "two"})


def test_a_file_with_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="at least two classes; the labels hold x"):
        read(tmp_path, TWO[0])


def test_a_broken_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{broken\n" + "".join(json.dumps(row) + "\n" for row in TWO))
    assert [rejected.line for rejected in read_dataset(path).rejected] == [1]
