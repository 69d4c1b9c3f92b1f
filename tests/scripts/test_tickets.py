import json
import subprocess
import sys
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from scripts.tickets import Ticket, tickets
from scripts.tickets.generator import NEW_FRAUD, classes
from scripts.tickets.grammar import read_grammar

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def many() -> list[Ticket]:
    return tickets(20_000, 3)


def test_the_same_seed_makes_the_same_tickets_and_another_seed_others() -> None:
    assert tickets(50, 1) == tickets(50, 1)
    assert [ticket.text for ticket in tickets(50, 1)] != [ticket.text for ticket in tickets(50, 2)]


def test_fewer_tickets_are_the_first_of_more() -> None:
    assert tickets(40, 5) == tickets(90, 5)[:40]


def test_sources_come_in_their_shares(many: list[Ticket]) -> None:
    counts = Counter(ticket.source for ticket in many)

    assert counts["Email"] / len(many) == pytest.approx(0.6, abs=0.02)
    assert counts["Chat"] / len(many) == pytest.approx(0.3, abs=0.02)
    assert counts["Social"] / len(many) == pytest.approx(0.1, abs=0.02)


def test_fraud_is_one_ticket_in_fifty_and_scarcest_in_email(many: list[Ticket]) -> None:
    def share(source: str) -> float:
        labels = [ticket.label for ticket in many if ticket.source == source]
        return labels.count("fraud") / len(labels)

    assert sum(ticket.label == "fraud" for ticket in many) / len(many) == pytest.approx(0.02, abs=0.005)
    assert share("Chat") > 2 * share("Email")
    assert share("Social") > 3 * share("Email")


def test_fraud_shows_in_several_ways_and_each_class_occurs(many: list[Ticket]) -> None:
    assert {ticket.label for ticket in many} == set(classes())
    assert len(classes()) == 12
    assert len({ticket.kind for ticket in many if ticket.label == "fraud"}) == 4


def test_the_new_kind_of_fraud_comes_only_when_asked_for_and_only_in_social(many: list[Ticket]) -> None:
    wave = [ticket for ticket in tickets(4_000, 3, 0.1) if ticket.kind == NEW_FRAUD]

    assert not any(ticket.kind == NEW_FRAUD for ticket in many)
    assert len(wave) / 4_000 == pytest.approx(0.1, abs=0.02)
    assert {(ticket.source, ticket.label) for ticket in wave} == {("Social", "fraud")}


def test_some_tickets_are_small_edits_of_earlier_ones(many: list[Ticket]) -> None:
    recent = many[:600]
    edits = sum(
        any(_alike(later, earlier) for earlier in recent[:place] if earlier.label == later.label)
        for place, later in enumerate(recent)
    )

    assert 15 <= edits <= 120


def test_ids_and_timestamps_go_on_from_the_given_number() -> None:
    early, late = tickets(100, 1), tickets(100, 2, first=101)
    both = early + late

    assert len({ticket.id for ticket in both}) == 200
    assert [ticket.timestamp for ticket in early] == sorted(ticket.timestamp for ticket in early)
    assert late[0].timestamp > early[0].timestamp


def test_every_slot_of_the_grammar_is_filled(many: list[Ticket]) -> None:
    assert not [ticket.text for ticket in many if any(mark in ticket.text for mark in "{}[]|")]


def test_every_near_class_and_vague_group_of_the_grammar_exists() -> None:
    grammar = read_grammar()

    assert {name for kind in grammar.kinds for name in kind.near} <= set(classes())
    assert {kind.vague for kind in grammar.kinds} <= set(grammar.vague)


def test_the_command_writes_one_row_a_line(tmp_path: Path) -> None:
    out = tmp_path / "tickets.jsonl"
    subprocess.run(
        [sys.executable, "-m", "scripts.tickets", "--items", "30", "--seed", "4", "--out", str(out)],
        cwd=_ROOT,
        check=True,
    )

    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert rows == [ticket.row() for ticket in tickets(30, 4)]
    assert set(rows[0]) == {"id", "text", "label", "source", "timestamp"}


def _alike(a: Ticket, b: Ticket) -> bool:
    matcher = SequenceMatcher(None, a.text, b.text, autojunk=False)
    return matcher.real_quick_ratio() > 0.85 and matcher.quick_ratio() > 0.9 and matcher.ratio() > 0.9
