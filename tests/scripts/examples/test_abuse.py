from collections import Counter

import pytest

from scripts.examples.abuse import ABUSE, ORDINARY, messages, read_kinds
from scripts.tickets import Ticket


@pytest.fixture(scope="module")
def many() -> list[Ticket]:
    return messages(20_000, 3)


def test_the_same_seed_makes_the_same_messages_and_another_seed_others() -> None:
    assert messages(200, 1) == messages(200, 1)
    assert messages(200, 1) != messages(200, 2)


def test_one_message_in_a_hundred_is_abusive_and_most_often_so_in_social(many: list[Ticket]) -> None:
    counts = Counter(message.label for message in many)
    rates = {
        source: sum(one.label == ABUSE for one in many if one.source == source)
        / sum(one.source == source for one in many)
        for source in ("Email", "Chat", "Social")
    }

    assert set(counts) == {ABUSE, ORDINARY}
    assert counts[ABUSE] / len(many) == pytest.approx(0.01, abs=0.002)
    assert rates["Email"] < rates["Chat"] < rates["Social"]


def test_abuse_shows_in_every_kind(many: list[Ticket]) -> None:
    assert {one.kind for one in many if one.label == ABUSE} == {kind.name for kind in read_kinds()}


def test_every_slot_is_filled(many: list[Ticket]) -> None:
    assert not [one.text for one in many if one.label == ABUSE and any(mark in one.text for mark in "{}[]|")]
