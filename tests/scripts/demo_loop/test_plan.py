import json
from pathlib import Path

import pytest

from scripts.demo_loop import plan as plans
from scripts.demo_loop.plan import Plan
from scripts.tickets.generator import NEW_FRAUD, classes
from shared.project import parse_project


@pytest.mark.parametrize("plan", [plans.full(7, None), plans.fast(7, None), plans.full(7, 2_001)])
def test_the_project_file_is_valid_and_its_reference_ends_before_the_new_tickets(plan: Plan) -> None:
    config = parse_project(plans.project_file(plan), origin="the demo")

    assert list(config.classes) == classes()
    assert config.drift.reference_items <= plan.items
    assert config.drift.window_items <= plan.new_items // 2


def test_new_tickets_bring_the_new_fraud_and_ids_of_their_own() -> None:
    plan = plans.fast(7, None)
    first, new = plans.first_tickets(plan), plans.new_tickets(plan)

    assert not {ticket.id for ticket in first} & {ticket.id for ticket in new}
    assert NEW_FRAUD not in {ticket.kind for ticket in first}
    assert NEW_FRAUD in {ticket.kind for ticket in new}


def test_what_comes_in_does_not_hold_the_labels(tmp_path: Path) -> None:
    some = plans.first_tickets(plans.fast(7, None))[:20]
    plans.write_items(tmp_path / "items.jsonl", some)
    plans.write_answers(tmp_path / "answers.jsonl", some)

    items = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert all(set(item) == {"id", "text", "source", "timestamp"} for item in items)
    assert answers == [{"id": ticket.id, "label": ticket.label} for ticket in some]
