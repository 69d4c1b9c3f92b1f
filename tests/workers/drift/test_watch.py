"""From window to window: what becomes an alarm, when it is over, and how seldom chance raises one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.drift.world import EVERYTHING, NEAR, Texts, draw, fit, join, look, sends_only
from workers.drift.channels import PART, Channel, alpha, patience
from workers.drift.detectors import Counts
from workers.drift.evidence import factors, gather
from workers.drift.report import WindowReport
from workers.drift.statistics import Tally, Verdict
from workers.drift.watch import Change, Kind, WatchState, advance, lasts, level_after

_QUIET = look(fit(draw(EVERYTHING, 400, seed=0)), draw(EVERYTHING, 100, seed=1, first_id=5_000))


def test_the_budget_is_shared_out_and_no_more() -> None:
    assert sum(PART.values()) == pytest.approx(1.0)
    spent = sum(alpha(channel, budget=1.0) + 1 / patience(channel, budget=1.0) for channel in Channel)
    assert spent == pytest.approx(1 / 1_000)


def test_act_raises_an_alarm_at_once_and_one_only() -> None:
    assert _kinds([0.1, 0.1, 0.06]) == [["raised"], [], []]


def test_a_warning_raises_an_alarm_when_it_comes_twice_in_three_windows() -> None:
    assert _kinds([0.03, 0.0, 0.03]) == [[], [], ["raised"]]
    assert _kinds([0.03, 0.0, 0.0, 0.03]) == [[], [], [], []]


def test_what_shows_in_three_windows_in_a_row_raises_an_alarm_however_little_it_is() -> None:
    assert _kinds([0.01, 0.01, 0.01]) == [[], [], ["raised"]]
    assert _kinds([0.01, 0.01, 0.0, 0.01]) == [[], [], [], []]


def test_an_alarm_grows_and_is_over_after_three_windows_under_half_of_its_beginning() -> None:
    assert _kinds([0.03, 0.03, 0.06]) == [[], ["raised"], ["grew"]]
    assert _kinds([0.06, 0.02, 0.02, 0.04, 0.02, 0.02, 0.02]) == [["raised"], [], [], [], [], [], ["over"]]


def test_after_an_alarm_only_act_raises_another_for_three_windows() -> None:
    over = [0.06, 0.0, 0.0, 0.0]
    assert _kinds([*over, 0.03, 0.03, 0.03, 0.03])[4:] == [[], [], [], ["raised"]]
    assert _kinds([*over, 0.06])[4:] == [["raised"]]


def test_statistics_have_alarms_of_their_own() -> None:
    state, changes = advance(
        WatchState(), _report(_verdict(0.1), _verdict(0.2, channel=Channel.TEXT, scope="length")), budget=1.0
    )

    assert [(change.channel, change.scope) for change in changes] == [("novelty", ""), ("text", "length")]
    assert set(state.memories) == {"novelty", "text: length"}


def test_only_what_items_say_is_more_than_a_note() -> None:
    report = _report(_verdict(0.0), _verdict(0.2, channel=Channel.MIX))

    _, changes = advance(WatchState(), report, budget=1.0)

    assert [change.level for change in changes] == ["act"]
    assert level_after(report, changes) == "note"


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ([Channel.NOVELTY, Channel.CLUMPS], True),
        ([Channel.NOVELTY, None, Channel.CLUMPS], True),
        ([Channel.NOVELTY, None, None, Channel.CLUMPS], False),
        ([Channel.MIX, Channel.MIX], False),
        ([Channel.MIX, Channel.NOVELTY], False),
        ([Channel.NOVELTY, None], False),
    ],
)
def test_drift_lasts_that_items_show_twice_in_three_windows(channels: list[Channel | None], expected: bool) -> None:
    before = state = WatchState()
    for shown in channels:
        report = _report(
            *(
                _verdict(0.01 if channel is shown else 0.0, channel=channel)
                for channel in (Channel.NOVELTY, Channel.CLUMPS, Channel.MIX)
            )
        )
        before = state
        state, _ = advance(state, report, budget=1.0)

    assert lasts(before, report) is expected


def test_evidence_gathers_until_it_is_enough_and_names_the_category() -> None:
    state, raised = WatchState(), []
    for _ in range(40):
        tally = Tally(("a", "b"), np.array([[0.5, 1.6], [0.5, 1.2]]), np.array([0.0, 0.012]))
        state, changes = advance(state, _report(_verdict(0.0, tally=tally)), budget=1.0)
        raised.append(changes)

    [first] = next(changes for changes in raised if changes)
    assert not any(raised[:10])
    assert (first.kind, first.gathered) == (Kind.RAISED, ("b",))
    assert first.share == pytest.approx(0.012)


def test_what_one_category_lost_and_another_won_is_affected_once() -> None:
    state, raised = WatchState(), list[Change]()
    for _ in range(40):
        tally = Tally(("a", "b", "c"), np.array([[1.6, 1.6, 1.6]] * 2), np.array([-0.7, 0.6, 0.1]))
        state, changes = advance(state, _report(_verdict(0.0, channel=Channel.MIX, tally=tally)), budget=1.0)
        raised += changes

    assert [change.share for change in raised if change.kind is Kind.RAISED] == [pytest.approx(0.7)]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 0.2), st.floats(0, 5)), min_size=1, max_size=12),
)
def test_the_state_is_json_and_nothing_is_lost_in_it(windows: list[tuple[float, float]]) -> None:
    at_once, stored = WatchState(), WatchState()
    for share, factor in windows:
        tally = Tally(("a",), np.array([[factor], [factor / 2]]), np.array([share]))
        report = _report(_verdict(share, tally=tally))
        at_once, expected = advance(at_once, report, budget=1.0)
        stored, changes = advance(WatchState.load(json.loads(json.dumps(stored.dump()))), report, budget=1.0)
        assert changes == expected

    assert stored == at_once


def test_a_state_of_nothing_takes_no_room() -> None:
    state, _ = advance(WatchState(), _report(_verdict(0.0)), budget=1.0)

    assert state.dump() == {}


@settings(deadline=None, max_examples=25)
@given(rate=st.floats(0.005, 0.5), seed=st.integers(0, 2**32 - 1))
def test_a_bet_pays_nothing_in_expectation_while_the_reference_holds(rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.binomial(1_000, rate)
    windows = rng.binomial(500, rate, size=400)

    paid = [factors(_counts(reference, 1_000, int(seen), 500), part=0.2, both_ways=True)[:, 0] for seen in windows]

    # The mean of 400 payments that are 1 at most in expectation; each is a ratio of chances, so seldom large.
    assert (np.mean(paid, axis=0) < 2.0).all()


def test_gathered_evidence_seldom_reaches_the_threshold_by_chance() -> None:
    # 60 references of 40 windows each; a threshold of 200 windows allows 12 false alarms in 2,400 windows in the mean.
    alarms, rng = 0, np.random.default_rng(0)
    for _ in range(60):
        reference, held = int(rng.binomial(1_000, 0.1)), np.zeros((4, 1))
        for _ in range(40):
            counts = _counts(reference, 1_000, int(rng.binomial(500, 0.1)), 500)
            held = gather(held, factors(counts, part=0.2, both_ways=False))
            if held.mean() >= 200:
                alarms, held = alarms + 1, np.zeros((4, 1))

    assert alarms <= 12


def test_exchangeable_windows_raise_hardly_an_alarm() -> None:
    # 120 windows at 20 false alarms in 1,000: 2.4 are expected at most; more than 7 have a chance of 0.003.
    fired = 0
    for seed in range(4):
        reference, state = fit(draw(EVERYTHING, 1_000, seed=seed), seed=seed), WatchState()
        for number in range(30):
            report = look(reference, draw(EVERYTHING, 200, seed=100 * seed + number + 50, first_id=5_000), budget=20.0)
            state, changes = advance(state, report, budget=20.0)
            fired += any(verdict.alarm for verdict in report.verdicts) or any(change.gathered for change in changes)

    assert fired <= 7


def test_a_small_new_topic_that_stays_raises_an_alarm() -> None:
    reference, state, kinds = fit(draw(EVERYTHING, 2_000, seed=0)), WatchState(), []
    for number in range(6):
        state, changes = advance(state, look(reference, _with_new(500, new=15, seed=number)), budget=1.0)
        kinds += [change.kind for change in changes if change.channel in ("novelty", "clumps")]

    assert Kind.RAISED in kinds


def _kinds(shares: list[float]) -> list[list[str]]:
    """What happens in windows of which such shares are affected."""
    state, found = WatchState(), []
    for share in shares:
        state, changes = advance(state, _report(_verdict(share)), budget=1.0)
        found.append([change.kind.value for change in changes])
    return found


def _verdict(
    share: float, *, channel: Channel = Channel.NOVELTY, scope: str = "", tally: Tally | None = None
) -> Verdict:
    return Verdict(channel, scope, p=0.5, alarm=share > 0, share=share, tally=tally)


def _report(*verdicts: Verdict) -> WindowReport:
    return replace(_QUIET, verdicts=verdicts)


def _counts(reference: int, reference_size: int, window: int, window_size: int) -> Counts:
    return Counts(*(np.array(value) for value in ([[reference]], [[window]], [reference_size], [window_size])))


def _with_new(count: int, *, new: int, seed: int) -> Texts:
    known = draw(EVERYTHING, count - new, seed=100 + seed, first_id=5_000)
    return join(known, draw(sends_only(NEAR, "mail", "chat"), new, seed=200 + seed, first_id=9_000))
