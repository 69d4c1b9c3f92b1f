"""Tuning never asks a model about what it was taught, is kept for a while, and ends in probabilities of the pool."""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import OptimizeResult, minimize
from scipy.special import expit

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig, Task
from shared.training_options import Training
from tests.pools import make_pool
from workers.training import classifier, fitting, model_storage, solver, tuning
from workers.training.classifier import LinearModel, Recipe
from workers.training.fitting import Sample
from workers.training.held_out import hold_out
from workers.training.splits import spread
from workers.training.tuning import STRENGTHS, train, train_on


def config_of(pool: Pool, **options: object) -> ProjectConfig:
    return ProjectConfig.model_validate({"classes": pool.classes, **options})


def trained(pool: Pool, *, previous: LinearModel | None = None, **options: object) -> LinearModel:
    model = train(pool, config_of(pool, **options), previous=previous)
    assert model is not None
    return model


def only(pool: Pool, truth: Mask, labeled: int) -> Pool:
    """The pool with just its first items labeled."""
    is_labeled = np.arange(len(pool)) < labeled
    return replace(pool, labeled=is_labeled, targets=truth & is_labeled[:, None])


def made_up_sample(rows: int, *, exclusive: bool, seed: int, families: Index | None = None, **options: Any) -> Sample:
    pool, truth = make_pool(items=rows, classes=("a", "b", "c"), shares=(0.6, 0.3, 0.1), dimension=4, seed=seed)
    targets = truth if exclusive else truth | (np.random.default_rng(seed).random(truth.shape) < 0.1)
    vectors = pool.vectors(np.arange(rows))
    return fitting.gather(
        vectors,
        targets,
        classes=pool.classes,
        exclusive=exclusive,
        costs={"c": 2.0},
        families=families,
        options=Training(**options),
        seed=seed,
    )


@given(
    exclusive=st.booleans(),
    fold=st.integers(0, 2),
    sampling=st.sampled_from(["none", "oversample", "undersample"]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=40, deadline=None)
def test_the_labels_of_a_fold_are_of_no_account_to_what_is_said_of_it(
    exclusive: bool, fold: int, sampling: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    of = rng.permutation(np.arange(60) % 3)
    sample = made_up_sample(60, exclusive=exclusive, seed=seed, sampling=sampling, members=2)
    targets = sample.targets.copy()
    targets[of == fold] = np.eye(3, dtype=bool)[rng.integers(3, size=int((of == fold).sum()))]
    other = replace(sample, targets=targets)
    one, two = (hold_out(each, of, STRENGTHS) for each in (sample, other))
    assert one is not None
    assert two is not None
    inside = of == fold
    for strength in STRENGTHS:
        assert np.array_equal(one.scores[strength][inside], two.scores[strength][inside])
        assert not np.array_equal(one.scores[strength][~inside], two.scores[strength][~inside])
    assert np.array_equal(one.known[inside], two.known[inside])
    assert np.array_equal(one.prior[inside], two.prior[inside])


@given(
    families=st.integers(2, 40),
    exclusive=st.booleans(),
    sampling=st.sampled_from(["none", "oversample", "undersample"]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=40, deadline=None)
def test_no_model_is_asked_about_a_family_that_taught_it(
    families: int, exclusive: bool, sampling: str, seed: int
) -> None:
    family = np.random.default_rng(seed).integers(families, size=60)
    sample = made_up_sample(60, exclusive=exclusive, seed=seed, families=family, sampling=sampling, members=2)
    folds = spread(sample.targets, family, np.zeros(60, dtype=np.int64), count=5, seed=seed)
    minimise, scores = solver.minimise, solver.scores
    taught = defaultdict[int, set[int]](set)  # by thread: folds are asked at the same time
    asked = np.zeros(60, dtype=np.int64)

    def watched_minimise(axes: solver.Axes, rows: Index, targets: Mask, *arguments: Any, **options: Any) -> Floats:
        assert np.array_equal(targets, sample.targets[rows][:, fitting.learnable(sample.targets[rows])])
        taught[threading.get_ident()].update(family[rows].tolist())
        return minimise(axes, rows, targets, *arguments, **options)

    def watched_scores(axes: solver.Axes, rows: Index, coefficients: Floats) -> Floats:
        own = taught[threading.get_ident()]
        assert own
        assert not set(family[rows].tolist()) & own
        own.clear()
        asked[rows] += 1
        return scores(axes, rows, coefficients)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solver, "minimise", watched_minimise)
        patch.setattr(solver, "scores", watched_scores)
        found = hold_out(sample, folds, STRENGTHS)
    if found is not None:
        assert set(asked.tolist()) <= {0, len(STRENGTHS)}
        assert found.known[asked == 0].sum() == 0


def test_labels_that_mean_nothing_are_not_believed() -> None:
    pool, _ = make_pool(items=1_000, dimension=64)
    truth = np.arange(2) == np.random.default_rng(1).integers(2, size=1_000)[:, None]
    pool = only(pool, truth, 100)
    probability = classifier.probabilities(trained(pool), pool.matrix, pool.rows)
    low, high = np.quantile(probability[:, 1], [0.1, 0.9])
    assert low > 0.25
    assert high < 0.75


def test_tuning_is_kept_until_there_are_a_quarter_more_labels() -> None:
    pool, truth = make_pool(items=400)
    first = trained(only(pool, truth, 100))
    later = trained(only(pool, truth, 124), previous=first)
    assert first.tuning.labels == 100
    assert later.tuning is first.tuning
    assert not np.array_equal(later.weights, first.weights)
    anew = trained(only(pool, truth, 125), previous=later)
    assert anew.tuning.labels == 125
    assert np.array_equal(anew.weights, trained(only(pool, truth, 125)).weights)


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
@pytest.mark.parametrize("options", [{}, {"focal_gamma": 1.0}, {"sampling": "undersample"}], ids=str)
def test_a_fit_that_starts_from_the_last_round_ends_where_one_from_nothing_does(
    task: Task, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def counted(*arguments: Any, **given: Any) -> OptimizeResult:
        result = minimize(*arguments, **given)
        steps.append(result.nit)
        return result

    monkeypatch.setattr(solver, "minimize", counted)
    monkeypatch.setattr(tuning, "selection_weights", lambda _pool, rows, **_: np.ones(len(rows), dtype=np.float32))
    pool, truth = make_pool(items=600, dimension=64)
    options = {**options, "unlabeled": False}  # a pupil starts from its teacher
    first, later = trained(only(pool, truth, 300), task=task, training=options), only(pool, truth, 310)
    steps.clear()
    warm = trained(later, previous=first, task=task, training=options)
    from_there = sum(steps)
    cold = train_on(later, np.arange(310), config_of(pool, task=task, training=options), tuning=first.tuning)
    assert cold is not None
    assert warm.tuning is first.tuning
    assert from_there < sum(steps) - from_there
    found, expected = (classifier.probabilities(model, pool.matrix, pool.rows) for model in (warm, cold))
    assert np.abs(found - expected).max() < 0.02
    assert np.abs(found - expected).mean() < 0.003


def test_a_last_round_of_other_vectors_is_no_place_to_start_from() -> None:
    pool, truth = make_pool(items=400)
    other, _ = make_pool(items=400, dimension=8)
    first = trained(only(other, truth, 100))
    later = trained(only(pool, truth, 110), previous=first)
    from_nothing = train_on(only(pool, truth, 110), np.arange(110), config_of(pool))
    assert from_nothing is not None
    assert np.array_equal(later.weights, from_nothing.weights)


@pytest.mark.parametrize("options", [{"class_weights": "none"}, {"focal_gamma": 1.0}, {"sampling": "oversample"}])
def test_other_options_call_for_new_tuning(options: dict[str, Any]) -> None:
    pool, truth = make_pool(items=400)
    pool = only(pool, truth, 100)
    first = trained(pool)
    other = trained(pool, previous=first, training=options)
    assert other.tuning is not first.tuning
    assert np.array_equal(other.weights, trained(pool, training=options).weights)
    stored = model_storage.load(model_storage.dump(other, header={}))
    assert stored.tuning.options == Training(**options)
    assert trained(pool, previous=stored, training=options).tuning is stored.tuning
    assert trained(pool, previous=stored).tuning.options == Training()


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
def test_other_costs_call_for_new_tuning_as_probabilities_were_calibrated_under_those_before(task: Task) -> None:
    pool, truth = make_pool(items=400)
    pool = only(pool, truth, 100)
    dear = trained(pool, task=task, costs={"rare": 50.0, "common": 1.0})
    stored = model_storage.load(model_storage.dump(dear, header={}))
    assert stored.tuning.costs == dear.tuning.costs == {"rare": 50.0}
    assert trained(pool, previous=stored, task=task, costs={"rare": 50.0}).tuning is stored.tuning
    again = trained(pool, previous=stored, task=task)
    assert np.array_equal(again.weights, trained(pool, task=task).weights)


def test_a_class_with_a_goal_is_aimed_at_from_its_first_labels_on() -> None:
    pool, truth = make_pool(items=400, classes=("a", "b", "late"), shares=(0.6, 0.3, 0.1))
    truth_without = truth.copy()
    truth_without[truth[:, 2]] = [True, False, False]
    goals = {"late": {"recall": 0.8}}
    first = trained(only(pool, truth_without, 100), goals=goals)
    assert first.tuning.aimed is not None
    assert np.isnan(first.tuning.aimed[2])
    then = only(pool, truth, 100)
    later = trained(then, previous=first, goals=goals)
    assert later.tuning.aimed is not None
    assert np.isfinite(later.tuning.aimed[2])
    assert trained(then, previous=later, goals=goals).tuning is later.tuning


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
def test_tuning_that_was_stored_serves_as_well(task: Task) -> None:
    pool, truth = make_pool(items=400)
    first = trained(only(pool, truth, 100), task=task)
    stored = model_storage.load(model_storage.dump(first, header={}))
    one, two = (trained(only(pool, truth, 120), previous=each, task=task) for each in (first, stored))
    assert model_storage.dump(one, header={}) == model_storage.dump(two, header={})


def test_a_class_that_is_added_calls_for_new_tuning() -> None:
    pool, truth = make_pool(items=400)
    first = trained(only(pool, truth, 100))
    wider = only(replace(pool, classes=("common", "rare", "new")), np.column_stack([truth, np.zeros(400, bool)]), 101)
    later = trained(wider, previous=first)
    assert (later.tuning.labels, len(later.tuning.gain)) == (101, 3)
    assert not later.learned[2]


def test_the_first_example_of_a_class_is_learned_under_tuning_from_before_it() -> None:
    pool, truth = make_pool(items=400, classes=("a", "b", "late"), shares=(0.6, 0.3, 0.1))
    late = np.flatnonzero(truth[:, 2])
    truth_without = truth.copy()
    truth_without[late] = [True, False, False]
    first = trained(only(pool, truth_without, 100))
    then = only(pool, truth_without, 100)
    then.targets[late[late < 100]] = [False, False, True]
    model = trained(then, previous=first)
    assert model.tuning is first.tuning
    decided = classifier.decide(model, classifier.probabilities(model, pool.matrix, pool.rows))
    assert decided[late, 2].mean() > 0.5


def test_fewer_than_40_labels_leave_the_defaults_and_the_40th_does_not_wait() -> None:
    pool, truth = make_pool(items=400, shares=(0.6, 0.4))
    few = trained(only(pool, truth, 39))
    assert (few.tuning.labels, few.tuning.strength) == (0, STRENGTHS[0])
    assert few.tuning.calibration.slope.tolist() == [1.0, 1.0]
    for nothing in (few.tuning.calibration.shift, few.tuning.gain, few.tuning.trust):
        assert nothing.tolist() == [0.0, 0.0]
    enough = trained(only(pool, truth, 40), previous=few)
    assert enough.tuning.labels == 40
    assert enough.tuning.trust.max() > 0


def test_one_family_that_can_not_be_divided_leaves_the_defaults() -> None:
    pool, truth = make_pool(items=200)
    one_family = replace(only(pool, truth, 100), families=np.zeros(200, dtype=np.int64))
    assert trained(one_family).tuning.labels == 0


@pytest.mark.parametrize("families", [2, 3, 4])
@pytest.mark.parametrize("task", list(Task))
def test_fewer_families_than_folds_are_enough_to_tune(families: int, task: Task) -> None:
    pool, truth = make_pool(items=300)
    model = trained(replace(only(pool, truth, 100), families=np.arange(300) % families), task=task)
    assert model.tuning.labels == 100
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    assert ((probability[:, 1] > 0.5) == truth[:, 1]).mean() > 0.9


def test_nothing_to_tell_apart_makes_no_model() -> None:
    pool, truth = make_pool(items=100, shares=(1.0, 0.0))
    for task in Task:
        assert train(only(pool, truth, 0), config_of(pool, task=task)) is None
        assert train(only(pool, truth, 1), config_of(pool, task=task)) is None
        assert train(only(pool, truth, 60), config_of(pool, task=task)) is None


@pytest.mark.parametrize("task", list(Task))
def test_a_class_with_one_item_is_learned_and_is_not_thought_common(task: Task) -> None:
    pool, truth = make_pool(items=500)
    truth = np.tile([True, False], (500, 1))
    truth[7] = [False, True]
    model = trained(only(pool, truth, 100), task=task)
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    assert np.isfinite(probability).all()
    assert model.learned.all()
    assert probability[:, 1].mean() < 0.05


@pytest.mark.parametrize("task", [Task.MULTI, Task.NER])
def test_a_class_that_all_items_hold_is_given_to_all_and_leaves_the_others_alone(task: Task) -> None:
    pool, truth = make_pool(items=500)
    truth[:, 0] = True
    model = trained(only(pool, truth, 100), task=task)
    decided = classifier.decide(model, classifier.probabilities(model, pool.matrix, pool.rows))
    assert decided[:, 0].all()
    assert (decided[:, 1] == truth[:, 1]).mean() > 0.9


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
def test_200_classes_of_one_item_each_make_a_model(task: Task) -> None:
    names = tuple(f"class-{number:03}" for number in range(200))
    pool, truth = make_pool(items=1_500, classes=names, shares=[1 / 200] * 200, dimension=32)
    occurring, first = np.unique(truth.argmax(axis=1), return_index=True)
    is_labeled = np.isin(np.arange(1_500), first)
    model = trained(replace(pool, labeled=is_labeled, targets=truth & is_labeled[:, None]), task=task)
    assert np.flatnonzero(model.learned).tolist() == occurring.tolist()
    ranked = classifier.decision_scores(model, classifier.probabilities(model, pool.matrix, pool.rows)).argmax(axis=1)
    assert (ranked == truth.argmax(axis=1)).mean() > 0.3  # of 200 to choose from


def test_a_label_of_a_class_that_is_gone_teaches_nothing() -> None:
    pool, truth = make_pool(items=400)
    truth_without = truth.copy()
    truth_without[:5] = False
    gone = only(pool, truth_without, 100)
    left_out = replace(gone, labeled=gone.labeled & gone.targets.any(axis=1))
    assert np.array_equal(trained(gone).weights, trained(left_out).weights)
    assert trained(gone).tuning.labels == 95


def test_a_strength_that_is_given_is_used() -> None:
    pool, truth = make_pool(items=400)
    pool = only(pool, truth, 100)
    for strength in (0.5, 7.0):
        model = train_on(pool, np.flatnonzero(pool.labeled), config_of(pool), recipe=Recipe(strength))
        assert model is not None
        assert (model.tuning.strength, model.tuning.labels) == (strength, 100)


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
def test_the_same_labels_give_the_same_model_byte_for_byte(task: Task) -> None:
    pool, truth = make_pool(items=400)
    pool = only(pool, truth, 120)
    one, two = (model_storage.dump(trained(pool, task=task), header={}) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
@pytest.mark.parametrize("labels", [30, 400])
def test_a_costly_class_is_decided_for_more_often_with_few_labels_and_with_many(task: Task, labels: int) -> None:
    pool, _ = make_pool(items=1_000, dimension=4)
    probable = expit(4 * pool.vectors(np.arange(1_000))[:, 0] - 1.5)
    is_rare = np.random.default_rng(0).random(1_000) < probable
    pool = only(pool, np.stack([~is_rare, is_rare], axis=1), labels)
    share = []
    for cost in (1.0, 10.0):
        model = trained(pool, task=task, costs={"rare": cost})
        share.append(classifier.decide(model, classifier.probabilities(model, pool.matrix, pool.rows))[:, 1].mean())
    assert share[1] > share[0] + 0.1


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
def test_probabilities_add_up_to_the_pools_classes_though_a_model_chose_the_labels(task: Task) -> None:
    times = []
    for seed in range(4):
        pool, truth = make_pool(items=4_000, shares=(0.96, 0.04), dimension=6, seed=seed)
        model, pool = labeled_by_models(pool, truth, config_of(pool, task=task), likeliest)
        probability = classifier.probabilities(model, pool.matrix, pool.rows)
        among_labels, true = pool.targets[pool.labeled, 1].mean(), truth[:, 1].mean()
        assert among_labels > 3 * true  # so that counting labels would be far off
        times.append(probability[:, 1].mean() / true)
    assert times == pytest.approx(np.ones(4), abs=0.45)
    assert np.mean(times) == pytest.approx(1, abs=0.15)


def likeliest(probability: Floats) -> Index:
    """The order in which a model that hopes for the rare class asks for items."""
    return np.argsort(-probability[:, 1], kind="stable")


def labeled_by_models(
    pool: Pool, truth: Mask, config: ProjectConfig, order: Callable[[Floats], Index]
) -> tuple[LinearModel, Pool]:
    """100 random labels, then eight rounds of 20 that the model puts first and 5 random ones."""
    rng = np.random.default_rng(config.seed)
    is_labeled = np.isin(np.arange(len(pool)), rng.permutation(len(pool))[:100])
    model: LinearModel | None = None
    for _ in range(9):
        pool = replace(pool, labeled=is_labeled, targets=truth & is_labeled[:, None])
        model = train(pool, config, previous=model)
        assert model is not None
        ranked = order(classifier.probabilities(model, pool.matrix, pool.rows))
        free = ranked[~is_labeled[ranked]]
        is_labeled = is_labeled | np.isin(np.arange(len(pool)), [*free[:20], *rng.choice(free[20:], 5, replace=False)])
    assert model is not None
    return model, pool


OPTIONS = (
    {"class_weights": "effective"},
    {"class_weights": "none"},
    {"focal_gamma": 2.0},
    {"label_smoothing": 0.1},
    {"sampling": "oversample"},
    {"sampling": "undersample"},
    {"sampling": "undersample", "class_weights": "none"},
    {"focal_gamma": 1.0, "label_smoothing": 0.05, "sampling": "oversample", "class_weights": "none"},
)


def test_the_defaults_spelled_out_are_the_defaults() -> None:
    pool, truth = make_pool(items=400)
    pool = only(pool, truth, 120)
    spelled = Training(class_weights="balanced", focal_gamma=0.0, label_smoothing=0.0, sampling="none")
    one, two = trained(pool), trained(pool, training=spelled)
    assert model_storage.dump(one, header={}) == model_storage.dump(two, header={})


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_takes_effect_and_gives_probabilities_that_hold(task: Task, options: dict[str, Any]) -> None:
    pool, truth = make_pool(items=3_000, shares=(0.9, 0.1), dimension=4)
    pool = only(pool, truth, 600)
    model, plain = trained(pool, task=task, training=options), trained(pool, task=task)
    again = trained(pool, task=task, training=options)
    assert model_storage.dump(model, header={}) == model_storage.dump(again, header={})
    assert not np.array_equal(model.weights, plain.weights)
    probability = classifier.probabilities(model, pool.matrix, pool.rows)[600:, 1]
    assert calibration_error(probability, truth[600:, 1]) < 0.025
    assert ((probability > 0.5) == truth[600:, 1]).mean() > 0.9


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
@pytest.mark.parametrize("options", OPTIONS[:2] + OPTIONS[4:7], ids=str)
def test_weights_and_samples_are_undone_before_there_is_any_calibration(task: Task, options: dict[str, Any]) -> None:
    pool, truth = make_pool(items=3_000, shares=(0.8, 0.2), dimension=4)
    pool = only(pool, truth, 39)
    model = trained(pool, task=task, training=options)
    assert model.tuning.labels == 0
    among_labels = pool.targets[:39, 1].mean()
    # At the labels the model's mean is their frequency, but for the ridge penalty and what sampling drew.
    probability = classifier.probabilities(model, pool.matrix, pool.rows)[:39, 1]
    assert probability.mean() == pytest.approx(among_labels, abs=0.06)


def calibration_error(probability: Floats, true: Mask) -> float:
    """Mean distance of probabilities and frequencies in ten bins of as many items each (ECE)."""
    parts = np.array_split(np.argsort(probability, kind="stable"), 10)
    return float(np.mean([abs(probability[part].mean() - true[part].mean()) for part in parts]))
