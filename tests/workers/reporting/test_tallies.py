"""Counts of a project and of a file; the audit sample as training sees it, though read without vectors."""

import json
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import Session, col, select

from shared.database import Database
from shared.repository import pools
from shared.repository.evaluation import audit_thresholds
from shared.tables import Batch, Item, RuleHit
from tests.workers.reporting.example import (
    RARE,
    Example,
    add_batch,
    add_items,
    answer,
    embed,
    make_example,
    make_project,
)
from workers.reporting.tallies import file_audit, file_tally, in_force, project_audit, project_tally
from workers.selection.rule_precision import audit_tally
from workers.simulation.dataset import read_dataset
from workers.training import audit, windows
from workers.training.imbalance import prevalence

RULES = [
    {"name": "charge", "class": RARE, "keywords": ["charge"]},
    {"name": "card", "class": RARE, "keywords": ["card"]},
    {"name": "late", "class": "delay", "keywords": ["late"]},
    {"name": "thanks", "class": "praise", "description": "Somebody is content."},
]


def test_items_and_labels_are_counted_by_source_whether_embedded_or_not(database: Database) -> None:
    example = make_example(database)
    with database.read() as session:
        tally = project_tally(session, example.id, example.config)

    assert (tally.sources, tally.items.tolist(), tally.labeled.tolist()) == (("chat", "mail"), [1, 9], [1, 3])
    assert tally.counts.tolist() == [[0, 0, 1], [2, 1, 0]]
    assert tally.exclusive


def test_a_label_of_several_classes_counts_for_each_of_them(database: Database) -> None:
    example = make_project(database, task="multi")
    add_items(database, example.id, [("One", "mail"), ("Two", "mail"), ("Three", "mail")])
    answer(database, example, {1: ["praise", "delay"], 2: []})
    with database.read() as session:
        tally = project_tally(session, example.id, example.config)

    assert (tally.labeled.tolist(), tally.counts.tolist(), tally.exclusive) == ([2], [[1, 1, 0]], False)


def test_the_audit_sample_is_that_of_training(database: Database, tmp_path: Path) -> None:
    """Sources by rule hit or not, one item a duplicate group, the draw below the stratum's threshold."""
    example = _audited(database)
    with database.read() as session:
        found = project_audit(session, example.id, example.config)
        pool = pools.load_pool(session, project_id=example.id, config=example.config, vector_folder=tmp_path)
        sample = audit.measure(pool, audit_thresholds(session, example.id))
    names, stratum = audit.stratify(pool)
    answered = audit.answers(pool, audit_thresholds(session, example.id))
    drawn = stratum[pool.representative_of(answered)]
    sizes = np.bincount(stratum[pool.representatives], minlength=len(names))
    order = [code for code in np.argsort(names) if sizes[code]]
    held = np.zeros((len(names), len(pool.classes)), dtype=np.int64)
    np.add.at(held, drawn, pool.targets[answered])

    assert len(answered) > 20
    assert not pool.labeled[sample.members].all()
    assert len(order) == 4
    assert found.sizes.tolist() == sizes[order].tolist()
    assert found.answered.tolist() == np.bincount(drawn, minlength=len(names))[order].tolist()
    assert found.positives.tolist() == held[order].tolist()


def test_shares_are_those_of_the_rounds_where_a_campaign_drew_more_of_a_stretch(
    database: Database, tmp_path: Path
) -> None:
    example = _audited(database)
    with database.write() as session:
        batch = session.exec(select(Batch).where(col(Batch.project_id) == example.id)).one()
        first, last = min(_rows(session, example).values()) + 100, max(_rows(session, example).values())
        batch.audit = {**batch.audit, windows.key(first, last, "mail"): 0.9}
    with database.read() as session:
        found = project_audit(session, example.id, example.config)
        pool = pools.load_pool(session, project_id=example.id, config=example.config, vector_folder=tmp_path)
        tally = audit_tally(pool, audit_thresholds(session, example.id))

    assert found.items == tally.items > 60
    assert found.shares == pytest.approx(tally.shares)


def test_before_the_first_round_there_is_no_audit_sample(database: Database) -> None:
    example = make_project(database)
    add_items(database, example.id, [("One", "mail"), ("Two", "mail")])
    answer(database, example, {1: "praise"})
    with database.read() as session:
        found = project_audit(session, example.id, example.config)

    assert (found.sizes.tolist(), found.answered.tolist()) == ([2], [0])


def test_what_a_project_does_already_is_known(database: Database) -> None:
    example = make_project(
        database,
        rules=RULES,
        targets={RARE: 40},
        caps={"classes": {"praise": 5}},
        quotas={"sources": {"chat": 0.25}},
    )
    add_items(database, example.id, [("a charge", "mail")])
    _hit(database, example, {1: "charge"})
    with database.read() as session:
        known = in_force(session, example.id, example.config)

    assert known.seeded == {RARE: True, "delay": False, "praise": True}
    assert (known.targets, known.quotas) == ({RARE: 40}, {"chat": 0.25})
    assert known.capped == {"praise"}


def test_a_file_is_counted_and_nothing_is_estimated(tmp_path: Path) -> None:
    path = tmp_path / "labeled.jsonl"
    labels = ["praise"] * 6 + ["delay"] * 3 + ["fraud"]
    rows = [
        {"text": f"Text {number}", "label": label, "source": "chat" if number % 2 else "mail"}
        for number, label in enumerate(labels)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tally = file_tally(read_dataset(path))

    assert (tally.classes, tally.sources) == (("delay", "fraud", "praise"), ("chat", "mail"))
    assert tally.items.tolist() == tally.labeled.tolist() == [5, 5]
    assert tally.counts.sum(axis=0).tolist() == [3, 1, 6]
    assert [(one.low, one.value, one.high) for one in prevalence(file_audit(tally)) or []] == [
        (0.3, 0.3, 0.3),
        (0.1, 0.1, 0.1),
        (0.6, 0.6, 0.6),
    ]


def _audited(database: Database) -> Example:
    """Two hundred items of two sources, some hit by rules, some duplicates, half of them labeled, after one round."""
    example = make_project(database, rules=RULES)
    add_items(
        database, example.id, [(f"Text number {number}", "mail" if number % 3 else "chat") for number in range(200)]
    )
    embed(database, example.id)
    _hit(database, example, dict.fromkeys(range(5, 200, 7), "charge") | {11: "late", 12: "gone"})
    add_batch(database, example.id, [1])
    with database.write() as session:
        batch = session.exec(select(Batch).where(col(Batch.project_id) == example.id)).one()
        batch.audit = {"mail|other": 0.4, "mail|rule": 0.7, "chat|other": 0.5, "chat|rule": 0.2}
        rows = _rows(session, example)
        for number in (21, 22, 23):
            session.get_one(Item, rows[number]).duplicate_group = rows[21]
        for number in range(30, 60, 2):  # of which the second alone has a label
            for each in (number, number + 1):
                session.get_one(Item, rows[each]).duplicate_group = rows[number]
    classes = example.config.classes
    answer(database, example, {number: classes[number % 3] for number in range(1, 201, 2)})
    return example


def _hit(database: Database, example: Example, hits: dict[int, str]) -> None:
    """Let rules hit items, given by their numbers."""
    with database.write() as session:
        rows = _rows(session, example)
        for number, rule in hits.items():
            session.add(RuleHit(item=rows[number], rule=rule, project_id=example.id))


def _rows(session: Session, example: Example) -> dict[int, int]:
    found = session.exec(select(Item.item_id, Item.id).where(col(Item.project_id) == example.id)).all()
    return {int(item_id.removeprefix("item-")): row for item_id, row in found}
