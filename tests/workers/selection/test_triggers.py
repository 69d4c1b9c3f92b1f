"""When a round is due."""

import math
from dataclasses import replace

import pytest

from shared.project import BatchTrigger, ProjectConfig, Selection
from workers.selection.triggers import Filling, Situation, due, may_rest, too_early

AT_REST = Situation(
    waiting=50,
    new_labels=0,
    since_last_s=10.0,
    campaign=False,
    asked=False,
)
FILLING = Filling(items=2_000, embedded=100, chosen=100)
CONFIG = ProjectConfig(classes=("a", "b"), selection=Selection(batch_size=50))


def is_due(trigger: BatchTrigger | None = None, **situation: object) -> bool:
    config = CONFIG.model_copy(update={"batch_trigger": trigger or BatchTrigger()})
    return due(config, Situation(**(vars(AT_REST) | situation))) is not None


@pytest.mark.parametrize(("waiting", "expected"), [(0, True), (24, True), (25, False), (50, False)])
def test_by_default_when_fewer_than_half_a_batch_waits(waiting: int, expected: bool) -> None:
    assert is_due(waiting=waiting) is expected


def test_with_a_threshold_of_nothing_only_when_the_queue_is_empty() -> None:
    assert not is_due(BatchTrigger(queue_below=0.0), waiting=1)
    assert is_due(BatchTrigger(queue_below=0.0), waiting=0)


def test_after_so_many_new_labels() -> None:
    assert not is_due(BatchTrigger(new_labels=20), new_labels=19)
    assert is_due(BatchTrigger(new_labels=20), new_labels=20)


def test_after_so_much_time_when_there_is_a_new_label() -> None:
    assert not is_due(BatchTrigger(after_s=60), since_last_s=61.0)
    assert not is_due(BatchTrigger(after_s=60), since_last_s=59.0, new_labels=1)
    assert is_due(BatchTrigger(after_s=60), since_last_s=61.0, new_labels=1)


def test_not_while_two_batches_wait_unless_a_person_or_a_campaign_asks() -> None:
    assert not is_due(BatchTrigger(new_labels=1), waiting=100, new_labels=500)
    assert is_due(waiting=100, asked=True)
    assert is_due(waiting=100, campaign=True, since_last_s=math.inf)


def is_early(filling: Filling = FILLING, **situation: object) -> bool:
    return too_early(CONFIG, Situation(**(vars(AT_REST) | situation)), filling)


@pytest.mark.parametrize(("embedded", "early"), [(749, True), (750, False)])
def test_while_the_pool_fills_a_round_waits_until_it_chooses_one_of_five(embedded: int, early: bool) -> None:
    assert is_early(replace(FILLING, embedded=embedded)) is early


def test_the_first_batch_does_not_wait() -> None:
    assert not is_early(replace(FILLING, embedded=60, chosen=0), since_last_s=math.inf)


def test_nobody_waits_for_a_pool_that_is_half_full_or_for_more_than_a_minute() -> None:
    assert is_early(since_last_s=59.0)
    assert is_early(replace(FILLING, items=201))
    assert not is_early(replace(FILLING, items=200))
    assert not is_early(since_last_s=60.0)


def test_a_person_or_a_campaign_that_asks_is_not_held_back() -> None:
    assert not is_early(asked=True)
    assert not is_early(campaign=True)


@pytest.mark.parametrize(
    ("situation", "rests"),
    [
        ({"new_labels": 0, "since_last_s": 1e6}, True),
        ({"new_labels": 49}, True),
        ({"new_labels": 50}, False),
        ({"new_labels": 1, "since_last_s": 60.0}, False),
        ({"new_labels": 1, "since_last_s": math.inf}, False),
        ({"asked": True}, False),
        ({"campaign": True}, False),
    ],
)
def test_with_nothing_left_to_choose_only_new_labels_are_worth_a_round(
    situation: dict[str, object], rests: bool
) -> None:
    assert may_rest(CONFIG, Situation(**(vars(AT_REST) | situation))) is rests
