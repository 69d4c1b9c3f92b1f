"""Plans in sentences."""

from dataclasses import replace

import pytest

from workers.reporting.plans import (
    batches_explained,
    changes_at_any_time,
    opening,
    quotas_explained,
    wave_notes,
    what_is_known,
)
from workers.selection.expectation import Expected
from workers.selection.knowledge import Basis
from workers.selection.plans import KnownShare, LabelingPlan, SourceQuota, WavePlan
from workers.selection.rule_precision import RulePrecision
from workers.training.metrics import Interval

TWO_PERCENT = Interval(0.02, 0.01, 0.04)
FRAUD = Expected("fraud", 40.0, 12, 90, TWO_PERCENT, {"rule": 400})
PRAISE = Expected("praise", None, 0, 1_000, None, {"unknown": 1_000})
RULE = RulePrecision("words", "fraud", 500, 500, 0, 0, None, Interval(0.02, 0.02, 0.02), stopped=False)


def make_wave(number: int, **changes: object) -> WavePlan:
    wave = WavePlan(
        number=number,
        round=number,
        places=1_000,
        chosen=1_000,
        quotas={"Email": 300, "Chat": 200},
        sources={"Email": 600, "Chat": 400},
        channels={"rule": 400, "audit": 100, "coverage": 500},
        rules={"words": 400},
        expected=(FRAUD, PRAISE),
        audit_items=100 * number,
        shortfalls=(),
    )
    return replace(wave, **changes)  # type: ignore[arg-type] # any field


def make_plan(**changes: object) -> LabelingPlan:
    plan = LabelingPlan(
        budget=2_500,
        reserve=500,
        items=20_000,
        labels=0,
        waiting=0,
        batch_size=50,
        audit_items=0,
        modelled=False,
        classes=(KnownShare("fraud", 0, TWO_PERCENT, Basis.GUESS), KnownShare("praise", 0, None, Basis.NOTHING)),
        rare=("fraud",),
        proposed=True,
        measured_by_source=False,
        sources=(SourceQuota("Email", 12_000, 12_000, 0.3), SourceQuota("Chat", 8_000, 8_000, 0.2)),
        rules=(RULE,),
        waves=(make_wave(1), make_wave(2)),
        total=(FRAUD, PRAISE),
    )
    return replace(plan, **changes)  # type: ignore[arg-type] # any field


def changes(plan: LabelingPlan, number: int = 1) -> str:
    return " ".join(wave_notes(plan, plan.waves[number - 1]).would_change_the_next)


def test_the_opening_tells_pool_budget_waves_and_reserve() -> None:
    assert opening(make_plan()) == (
        "20,000 items, none labeled. A budget of 2,500 labels: waves of 1,000 and 1,000, 500 in reserve."
    )
    assert opening(make_plan(labels=30, waiting=12, reserve=0, waves=(make_wave(1),))) == (
        "20,000 items, 30 of them labeled; 12 wait on the queue and are not counted here. A budget of 2,500 labels: "
        "one wave of 1,000."
    )


def test_what_is_known_is_told_by_where_it_is_known_from() -> None:
    assert what_is_known(make_plan()) == [
        "By your guess, taken to be right within a factor of 2: fraud 2.0 % (1.0 % to 4.0 %).",
        "Nothing is known of praise: no label, and no guess (--prior CLASS=SHARE). Any number of the items may be of "
        "such a class.",
    ]
    classes = (
        KnownShare("praise", 5, Interval(0.9, 0.8, 1.0), Basis.AUDIT),
        KnownShare("fraud", 5, TWO_PERCENT, Basis.AUDIT),
    )
    assert what_is_known(make_plan(classes=classes, audit_items=80)) == [
        "By 80 labeled audit items: fraud 2.0 % (1.0 % to 4.0 %) and praise 90 % (80 % to 100 %)."
    ]
    modelled = (KnownShare("fraud", 5, TWO_PERCENT, Basis.MODEL, 0.03),)
    model, guess = what_is_known(make_plan(classes=modelled))
    assert model.startswith("By the model's calibrated probabilities, until 50 audit items are labeled: fraud")
    assert guess == "Your guess is weighed against what the labels tell: fraud 3.0 %."


def test_proposed_quotas_come_with_their_reason_and_the_lines_for_the_project_file() -> None:
    first, second = quotas_explained(make_plan())

    assert "by the square root of its items" in first
    assert "what is scarce where is not known yet" in first
    assert "Bankier 1988" in first
    assert '[quotas.sources] "Email" = 0.3, "Chat" = 0.2 into the project file' in second
    assert "`quietcorner project update`" in second
    measured = quotas_explained(make_plan(measured_by_source=True))[0]
    assert "(1 - p) / p, where p is the share of fraud in it by the audit sample" in measured
    assert quotas_explained(make_plan(proposed=False)) == ["The quotas are those of the project."]
    alone = make_plan(sources=(SourceQuota("Email", 1, 1, 0.0),))
    assert quotas_explained(alone) == ["All items are from one source, so no quota is wanted."]


def test_a_wave_that_is_no_batch_of_the_project_is_pointed_out() -> None:
    assert "batches hold 50 items" in batches_explained(make_plan())[0]
    assert "with `quietcorner project update`" in batches_explained(make_plan())[0]
    assert batches_explained(make_plan(batch_size=1_000)) == []


def test_the_first_wave_is_what_would_be_chosen_now_and_later_ones_stand_on_assumptions() -> None:
    plan = make_plan()

    assert wave_notes(plan, plan.waves[0]).assumed == ["It is what round 1 would choose now, with these quotas."]
    first, second = wave_notes(plan, plan.waves[1]).assumed
    assert first.startswith("Its places rest on made-up labels for the waves before it")
    assert second.startswith("There is no model yet")
    modelled = make_plan(modelled=True)
    assert wave_notes(modelled, plan.waves[1]).assumed[1].startswith("The model stays about as good as it is")


def test_what_is_measured_is_told_with_how_surely() -> None:
    plan = make_plan()
    audit, rules, channels = wave_notes(plan, plan.waves[1]).measured_after

    assert "The audit sample will have 200 labeled items" in audit
    assert "if 2.0 % is fraud, that will be known to lie between 0.8 % and 5.0 %" in audit
    assert rules == "Precision of rules, in percentage points: words on 800 labels (0 now), to within 3 points."
    assert channels == "What each of its channels brought of each class: audit, coverage and rule."
    few = wave_notes(plan, make_wave(1, audit_items=20)).measured_after[0]
    assert "20 labeled items, too few to tell the shares of classes (50 are wanted)" in few


def test_an_outcome_beyond_the_interval_changes_the_next_wave() -> None:
    told = changes(make_plan())

    assert "Fewer than 12 or more than 90 of fraud" in told
    assert "praise" not in told
    lucky = make_wave(1, expected=(replace(FRAUD, low=0), PRAISE))
    assert "More than 90 of fraud" in changes(make_plan(waves=(lucky,)))


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        (100, "None of 100 labeled hits"),
        (400, "At most 2 of 400 labeled hits of the rule words is of fraud: it surely finds less than chance"),
    ],
)
def test_a_rule_is_told_at_which_count_it_stops(taken: int, words: str) -> None:
    prior = Interval(0.05, 0.05, 0.05) if taken == 100 else RULE.prior
    plan = make_plan(rules=(replace(RULE, prior=prior),), waves=(make_wave(1, rules={"words": taken}),))

    assert words in changes(plan)


def test_a_rule_that_is_used_up_or_has_stopped_is_told() -> None:
    assert "The rule words has nothing left to propose" in changes(make_plan(), 2)
    assert "nothing left" not in changes(make_plan(waves=(make_wave(1), make_wave(2), make_wave(3, rules={}))), 3)
    assert "The rule words has nothing left" not in changes(make_plan(), 1)
    assert "The rule words has stopped" in changes(make_plan(rules=(replace(RULE, stopped=True),)))


def test_a_short_wave_is_told() -> None:
    short = make_wave(1, shortfalls=("short by 5: no eligible item is left",))

    assert "As things stand: short by 5: no eligible item is left." in changes(make_plan(waves=(short,)))


def test_what_may_happen_after_any_wave_is_told_once() -> None:
    told = changes_at_any_time(make_plan(), {"fraud": 200, "praise": 0})

    assert told[0] == "fraud at 20 labels: its rules get no more places, the model seeks it."
    assert told[1].startswith("fraud at its target of 200 labels (0 now): it is no longer looked for")
    assert "it is done" in told[2]
    assert "the quotas move to where they are scarce" in told[3]
    assert told[4].startswith("Drift in what arrives")
    assert not any("praise" in line for line in told)
    settled = make_plan(classes=(KnownShare("fraud", 30, TWO_PERCENT, Basis.MODEL),), rare=(), proposed=False, rules=())
    assert len(changes_at_any_time(settled, {})) == 1
