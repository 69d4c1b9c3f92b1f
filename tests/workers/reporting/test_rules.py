from typing import Any

import pytest
from sqlmodel import col, select

from shared.database import Database
from shared.project import Rule
from shared.tables import Assignment, Item, RuleHit
from tests.workers.reporting.example import NAME, RARE, Example, add_batch, add_items, answer, make_project
from workers.reporting.html import report_html
from workers.reporting.measured import read_quality
from workers.reporting.rules import judge, kind_of, rule_lines, stopped_rules
from workers.reporting.status import project_status
from workers.selection.proportions import wilson

RULES: list[dict[str, Any]] = [
    {"name": "words <b>", "class": RARE, "keywords": ["x"]},
    {"name": "unseen", "class": "delay", "pattern": "x"},
    {"name": "near", "class": RARE, "description": "x"},
    {"name": "risk", "class": "delay", "hint": "risk"},
]


def make(database: Database, task: str = "single") -> Example:
    """Eight items of which the first rule hits six and the last two; four that batches chose are labeled."""
    rules = [{**rule} for rule in RULES]
    example = make_project(database, task=task, rules=rules)
    other = make_project(database, name="other", rules=rules)
    for number, project in enumerate((example, other)):
        add_items(database, project.id, [(f"Text {place}", "mail") for place in range(8)], first=1)
        with database.write() as session:
            ids = session.exec(select(Item.id).where(Item.project_id == project.id).order_by(col(Item.id))).all()
            hits = [("words <b>", ids[:6]), ("risk", ids[6 + number :])]
            session.add_all(
                RuleHit(item=item, rule=rule, project_id=project.id) for rule, items in hits for item in items
            )
    return example


def choose(database: Database, example: Example, items: list[int], near: list[int]) -> None:
    """A batch, and those of its items that the description hit when they were chosen."""
    batch = add_batch(database, example.id, items)
    with database.write() as session:
        rows = session.exec(
            select(Assignment, Item.item_id).where(Assignment.batch == batch, Assignment.item == Item.id)
        ).all()
        for assignment, item_id in rows:
            rules = ["near"] if int(item_id.removeprefix("item-")) in near else []
            assignment.reason = {**assignment.reason, "rules": rules}


def test_each_rule_tells_its_hits_its_labels_and_how_many_of_them_are_right(database: Database) -> None:
    example = make(database)
    choose(database, example, [1, 2, 3, 7], near=[1, 2, 7])
    answer(database, example, {1: RARE, 2: "praise", 3: RARE, 4: "delay", 7: RARE})
    choose(database, example, [1, 8], near=[1])
    lines = project_status(database, example.id, NAME, example.config)["rules"]

    counted = {line["rule"]: (line["hits"], line["labels"], line["right"]) for line in lines}
    assert counted == {"words <b>": (6, 4, 2), "unseen": (0, 0, 0), "near": (None, 3, 2), "risk": (2, 1, 0)}
    assert [(line["class"], line["kind"]) for line in lines] == [
        (RARE, "keywords"),
        ("delay", "pattern"),
        (RARE, "description"),
        ("delay", "hint"),
    ]
    assert lines[1]["precision"] is None
    low, high = wilson(2, 4)
    assert lines[0]["precision"] == {"value": 0.5, "low": low, "high": high}


def test_an_item_of_several_classes_is_right_when_one_of_them_is_the_rules(database: Database) -> None:
    example = make(database, task="multi")
    answer(database, example, {1: [RARE, "delay"], 2: ["delay"], 3: []})
    with database.read() as session:
        first = rule_lines(session, example.id, example.config)[0]

    assert (first["labels"], first["right"]) == (3, 1)


def test_the_report_has_a_table_of_rules_where_there_are_rules(database: Database) -> None:
    example = make(database)
    answer(database, example, {1: RARE})
    page = report_html(database, example.id, NAME, example.config)

    assert "Seeding rules" in page
    assert "words &lt;b&gt;" in page
    assert "0.21 to 1.00" in page
    plain = make_project(database, name="plain")
    assert "Seeding rules" not in report_html(database, plain.id, "plain", plain.config)


def line(right: int, labels: int) -> dict[str, Any]:
    low, high = wilson(right, labels)
    found = {"value": right / labels, "low": low, "high": high} if labels else None
    return {"rule": f"{right} of {labels}", "class": RARE, "precision": found}


@pytest.mark.parametrize(
    ("items", "stopped"),
    [(60, [False, False, True, True]), (40, [False, None, None, True])],
)
def test_a_rule_that_surely_finds_less_than_chance_has_stopped(items: int, stopped: list[bool | None]) -> None:
    """With few audit items nobody knows what chance is: only a rule that finds hardly anything has surely stopped."""
    found = {"support": 12, "prevalence": 0.2, "prevalence_low": 0.12, "prevalence_high": 0.32}
    quality = read_quality({"n": items, "per_class": {RARE: found}, "too_few": []})
    lines = judge([line(0, 0), line(30, 60), line(2, 60), line(0, 400)], quality)

    assert [judged["stopped"] for judged in lines] == stopped
    assert stopped_rules(lines) == [judged["rule"] for judged in lines if judged["stopped"]]
    assert all((judged["prior"] is not None) == (items >= 50) for judged in lines)


def test_a_rule_of_an_old_version_without_shares_of_the_pool_is_not_judged() -> None:
    quality = read_quality({"n": 60, "per_class": {RARE: {"support": 12}}, "too_few": []})

    assert [judged["stopped"] for judged in judge([line(2, 60)], quality)] == [None]
    assert [judged["stopped"] for judged in judge([line(2, 60)], None)] == [None]


@pytest.mark.parametrize("rule", RULES)
def test_the_kind_of_a_rule_is_the_option_that_it_has(rule: dict[str, object]) -> None:
    assert kind_of(Rule.model_validate(rule)) in rule
