"""What is known of one item: reasons, label, duplicates, the newest model's word, the nearest labeled items."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlmodel import col, select

from shared.database import Database
from shared.repository.pools import space_of
from shared.repository.rounds import store_model
from shared.tables import Item, Project, RuleHit
from shared.vectors import append_segment, text_key
from tests.models import plain_model
from tests.workers.reporting.example import (
    CLASSES,
    ENCODER,
    RARE,
    Example,
    add_batch,
    add_items,
    answer,
    make_project,
    reason,
)
from workers.reporting.explanation import Choice, Duplicates, Explanation, Standing, explain_item
from workers.selection.reasons import sentence
from workers.training import model_storage


def test_each_batch_that_an_item_was_in_is_told(database: Database, tmp_path: Path) -> None:
    example = _project(database, embedded=0)
    add_batch(database, example.id, [2, 1])
    answer(database, example, {1: "delay"})
    add_batch(database, example.id, [1])

    assert _explain(database, example, "item-1", tmp_path).chosen == [
        Choice(1, sentence(reason(2)), ["done"], reason(2)),
        Choice(2, sentence(reason(1)), ["open"], reason(1)),
    ]


def test_an_item_that_was_never_chosen_has_no_reason(database: Database, tmp_path: Path) -> None:
    example = _project(database)
    found = _explain(database, example, "item-3", tmp_path)

    assert (found.chosen, found.label, found.duplicates, found.prediction) == ([], None, None, None)
    assert found.embedded


def test_the_label_comes_with_its_agreement(database: Database, tmp_path: Path) -> None:
    example = _project(database)
    answer(database, example, {1: "delay"})

    assert _explain(database, example, "item-1", tmp_path).label == Standing("delay", 1, 1.0)


def test_the_duplicate_group_is_told_with_who_stands_for_it(database: Database, tmp_path: Path) -> None:
    example = _project(database)
    _join(database, example, [2, 3, 4])
    answer(database, example, {2: "delay", 3: "praise"})

    assert _explain(database, example, "item-3", tmp_path).duplicates == Duplicates("item-2", 3, {"item-2": "delay"})


def test_the_nearest_labeled_items_come_first_and_not_the_item_itself(database: Database, tmp_path: Path) -> None:
    example = _project(database)
    answer(database, example, dict.fromkeys((1, 2, 4, 6), "delay"))
    found = _explain(database, example, "item-2", tmp_path, neighbours=2).neighbours

    assert [one.item_id for one in found] == ["item-1", "item-4"]
    assert [one.cosine for one in found] == pytest.approx([_cosine(1), _cosine(2)], abs=1e-3)
    assert (found[0].label, found[0].source, found[0].text) == ("delay", "mail", "Text 1")


def test_labeled_items_without_a_vector_are_passed_over(database: Database, tmp_path: Path) -> None:
    example = _project(database, embedded=3)
    answer(database, example, {3: "delay", 6: "delay"})

    assert [one.item_id for one in _explain(database, example, "item-1", tmp_path).neighbours] == ["item-3"]


def test_an_item_without_a_vector_has_neither_prediction_nor_neighbour(database: Database, tmp_path: Path) -> None:
    example = _project(database, embedded=3)
    answer(database, example, {1: "delay"})
    _train(database, example)
    found = _explain(database, example, "item-6", tmp_path)

    assert (found.embedded, found.prediction, found.neighbours) == (False, None, [])


def test_before_anything_is_embedded_an_item_is_known_all_the_same(database: Database, tmp_path: Path) -> None:
    example = _project(database, embedded=0)

    assert not _explain(database, example, "item-1", tmp_path).embedded


def test_the_newest_model_is_asked_now(database: Database, tmp_path: Path) -> None:
    example = _project(database)
    _train(database, example)
    prediction = _explain(database, example, "item-1", tmp_path).prediction

    assert prediction is not None
    assert (prediction.model, prediction.classes) == (1, ["praise"])
    assert next(iter(prediction.probabilities)) == "praise"
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_a_model_of_another_encoder_is_not_asked(database: Database, tmp_path: Path) -> None:
    example = _project(database)
    _train(database, example)
    with database.write() as session:
        session.get_one(Project, example.id).encoder_key = "another"
        append_segment(
            session,
            space=space_of(example.id),
            encoder="another",
            keys=np.array([text_key("Text 1")]),
            vectors=np.array([[1.0, 0.0]], dtype=np.float16),
        )

    assert _explain(database, example, "item-1", tmp_path).prediction is None


def test_rules_are_told_in_the_order_of_the_project_file(database: Database, tmp_path: Path) -> None:
    rules = [{"name": name, "class": RARE, "keywords": [name]} for name in ("b", "a", "c")]
    example = _project(database, rules=rules)
    with database.write() as session:
        item = session.exec(select(Item.id).where(col(Item.item_id) == "item-1")).one()
        for rule in ("a", "b", "gone"):
            session.add(RuleHit(item=item, rule=rule, project_id=example.id))

    assert _explain(database, example, "item-1", tmp_path).rules == ["b", "a"]


def test_an_item_of_another_project_is_unknown(database: Database, tmp_path: Path) -> None:
    _project(database)
    other = make_project(database, name="other")
    with database.read() as session:
        assert explain_item(session, other.id, other.config, "item-1", vector_folder=tmp_path, neighbours=5) is None


def _project(database: Database, *, embedded: int = 6, **options: Any) -> Example:
    """Six items; the vectors of the first few stand on a circle, a tenth of a turn between one and the next."""
    example = make_project(database, **options)
    add_items(database, example.id, [(f"Text {number}", "mail") for number in range(1, 7)])
    if embedded:
        angles = 2 * np.pi * np.arange(embedded) / 10
        with database.write() as session:
            append_segment(
                session,
                space=space_of(example.id),
                encoder=ENCODER,
                keys=np.array([text_key(f"Text {number}") for number in range(1, embedded + 1)]),
                vectors=np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16),
            )
            session.get_one(Project, example.id).encoder_key = ENCODER
    return example


def _cosine(steps: int) -> float:
    return float(np.cos(2 * np.pi * steps / 10))


def _train(database: Database, example: Example) -> None:
    """A model that calls what lies to the right `praise` and what lies to the left `delay`."""
    model = plain_model(
        np.array([[1, 0], [-1, 0]], dtype=np.float32),
        np.array([[True, False, False], [False, True, False]]),
        classes=CLASSES,
    )
    with database.write() as session:
        arrays = model_storage.dump(model, header={})
        store_model(session, project_id=example.id, version=1, encoder=ENCODER, labels=2, arrays=arrays)


def _join(database: Database, example: Example, numbers: list[int]) -> None:
    with database.write() as session:
        names = [f"item-{number}" for number in numbers]
        items = session.exec(
            select(Item).where(col(Item.project_id) == example.id, col(Item.item_id).in_(names)).order_by(col(Item.id))
        ).all()
        for item in items:
            item.duplicate_group = items[0].id


def _explain(database: Database, example: Example, item_id: str, folder: Path, *, neighbours: int = 5) -> Explanation:
    with database.read() as session:
        found = explain_item(session, example.id, example.config, item_id, vector_folder=folder, neighbours=neighbours)
    assert found is not None
    return found
