"""What is reported comes from the audit sample alone, and from models that never saw what they are asked about."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import Floats, Index, Mask, Pool, join_groups
from shared.project import ProjectConfig, Task
from shared.training_options import Training
from tests.pools import make_pool
from workers.training import audit, classifier, crossfit, evaluation
from workers.training.calibration import Doubles
from workers.training.classifier import LinearModel, Recipe
from workers.training.crossfit import cross_fit
from workers.training.evaluation import evaluate_on_audit
from workers.training.metrics import evaluate
from workers.training.tuning import train, train_on


def config_of(pool: Pool, task: Task = Task.SINGLE) -> ProjectConfig:
    return ProjectConfig(classes=pool.classes, task=task)


def label(pool: Pool, truth: Mask, rows: Index) -> Pool:
    is_labeled = np.isin(np.arange(len(pool)), rows)
    return replace(pool, labeled=is_labeled, targets=truth & is_labeled[:, None])


def report(
    pool: Pool,
    thresholds: dict[str, float],
    task: Task = Task.SINGLE,
    *,
    taught: bool = False,
    ratios: Doubles | None = None,
) -> dict[str, object]:
    rng, recipe = np.random.default_rng(0), Recipe(3.0, taught)
    return evaluate_on_audit(pool, config_of(pool, task), thresholds, recipe=recipe, rng=rng, seed=0, ratios=ratios)


class Watched:
    """The models of a cross-fit, with what taught each and what each was asked."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """Watch from now on."""
        self.taught: dict[int, Index] = {}
        self.models: list[LinearModel] = []
        self.asked: list[tuple[LinearModel, Index]] = []
        patch.setattr(crossfit, "train_on", self.train_on)
        patch.setattr(classifier, "probabilities", self.probabilities)

    def train_on(self, pool: Pool, rows: Index, config: ProjectConfig, *, recipe: Recipe) -> LinearModel | None:
        model = train_on(pool, rows, config, recipe=recipe)
        if model is not None:
            self.models.append(model)
            self.taught[id(model)] = rows
        return model

    def probabilities(self, model: LinearModel, matrix: np.ndarray, rows: Index) -> Floats:
        if id(model) in self.taught:  # not one that is still being tuned
            self.asked.append((model, rows))
        return _probabilities(model, matrix, rows)

    def exchanges(self) -> Iterator[tuple[Index, Index]]:
        """What taught a model, and what it was asked."""
        for model, rows in self.asked:
            yield self.taught[id(model)], rows


_probabilities = classifier.probabilities


@given(
    duplicates=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 199)), max_size=30),
    groups=st.integers(1, 150),
    task=st.sampled_from(list(Task)),
    labels=st.integers(30, 150),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=25, deadline=None)
def test_no_item_is_asked_of_a_model_that_its_duplicate_or_its_group_taught(
    duplicates: list[tuple[int, int]], groups: int, task: Task, labels: int, seed: int
) -> None:
    pool, truth = make_pool(items=200, seed=seed)
    duplicate_group = pool.groups.copy()
    for one, other in duplicates:
        duplicate_group[other] = duplicate_group[one]
    number = np.random.default_rng(seed).integers(2 * groups, size=200)
    group = [f"group {each}" if each < groups else None for each in number.tolist()]
    pool = replace(pool, groups=duplicate_group, families=join_groups(duplicate_group, group))
    rows = np.sort(np.random.default_rng(seed).permutation(200)[:labels])
    with pytest.MonkeyPatch.context() as patch:
        watched = Watched(patch)
        found = cross_fit(label(pool, truth, rows), rows, config_of(pool, task), recipe=Recipe(1.0), seed=seed)
    asked = []
    for taught, questions in watched.exchanges():
        assert not set(taught.tolist()) & set(questions.tolist())
        assert not set(duplicate_group[taught].tolist()) & set(duplicate_group[questions].tolist())
        assert not {group[row] for row in taught if group[row]} & {group[row] for row in questions if group[row]}
        asked += questions.tolist()
    if found is not None:
        assert sorted(asked) == rows.tolist()  # each once


@pytest.mark.parametrize("task", list(Task))
def test_each_fold_is_decided_by_its_own_model(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, truth = make_pool(items=400, dimension=4)
    rows = np.arange(150)
    pool = label(pool, truth, rows)
    watched = Watched(monkeypatch)
    found = cross_fit(pool, rows, config_of(pool, task), recipe=Recipe(0.7), seed=0)
    assert found is not None
    assert len({tuple(model.offsets.tolist()) for model in watched.models}) == 5
    for model, asked in watched.asked:
        assert np.array_equal(found.probability[asked], _probabilities(model, pool.matrix, asked))
        assert np.array_equal(found.decided[asked], classifier.decide(model, found.probability[asked]))
        assert model.tuning.strength == 0.7
        assert model.tuning.labels == len(watched.taught[id(model)])  # tuned on the others alone


def test_labels_that_mean_nothing_are_reported_to_be_worth_nothing() -> None:
    pool, _ = make_pool(items=2_000, dimension=64)
    truth = np.arange(2) == np.random.default_rng(1).integers(2, size=2_000)[:, None]
    sample = audit.extend(pool, {}, draws=150)
    pool = label(pool, truth, np.flatnonzero(sample.members))
    model = train(pool, config_of(pool).model_copy(update={"training": Training(unlabeled=False)}))
    assert model is not None
    rows = np.flatnonzero(pool.labeled)
    on_its_own_labels = classifier.decide(model, _probabilities(model, pool.matrix, rows)) == truth[rows]
    assert on_its_own_labels.all(axis=1).mean() > 0.7  # it knows them by heart
    for taught in (False, True):
        found = report(pool, sample.thresholds, taught=taught)["macro_f1"]
        assert isinstance(found, dict)
        assert found["low"] < 0.5 < found["high"] + 0.05
        assert found["value"] < 0.6


def test_only_labeled_items_of_the_audit_sample_are_counted_and_each_for_its_stratum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, truth = make_pool(items=1_000, rules=("r",), shares=(0.9, 0.1), dimension=4)
    sample = audit.extend(pool, {}, draws=80)
    members = np.flatnonzero(sample.members)
    others = np.flatnonzero(~sample.members)[:100]
    pool = label(pool, truth, np.concatenate([members[:60], others]))
    given: list[tuple[Mask, np.ndarray]] = []

    def watched(targets: Mask, predicted: Mask, probability: Floats, **options: np.ndarray) -> object:
        given.append((targets, options["weights"]))
        return evaluate(targets, predicted, probability, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation, "evaluate", watched)
    assert report(pool, sample.thresholds)["n"] == 60
    ((targets, weights),) = given
    assert np.array_equal(targets, truth[members[:60]])
    names, stratum = audit.stratify(pool)
    for code in range(len(names)):
        standing_for = weights[stratum[members[:60]] == code].sum()
        assert standing_for == pytest.approx((stratum == code).sum())


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
def test_the_report_is_near_to_what_the_model_is_worth_though_a_model_chose_most_labels(task: Task) -> None:
    off = []
    for seed in range(4):
        pool, truth = make_pool(items=4_000, shares=(0.92, 0.08), dimension=4, seed=seed)
        sample = audit.extend(pool, {}, draws=600)
        pool = label(pool, truth, np.flatnonzero(sample.members))
        first = train(pool, config_of(pool, task))
        assert first is not None
        unsure = np.argsort(np.abs(_probabilities(first, pool.matrix, pool.rows)[:, 1] - 0.5))
        pool = label(pool, truth, np.union1d(np.flatnonzero(pool.labeled), unsure[:200]))
        model = train(pool, config_of(pool, task))
        assert model is not None
        probability = _probabilities(model, pool.matrix, pool.rows)
        decided = classifier.decide(model, probability)
        true = evaluate(truth, decided, probability, classes=pool.classes).macro_f1
        found = report(pool, sample.thresholds, task)["macro_f1"]
        assert isinstance(found, dict)
        assert found["low"] - 0.02 < true < found["high"] + 0.02
        off.append(found["value"] - true)
    assert abs(np.mean(off)) < 0.03


def test_the_reliability_is_told_after_calibration_and_before() -> None:
    pool, truth = make_pool(items=600)
    sample = audit.extend(pool, {}, draws=200)
    pool = label(pool, truth, np.flatnonzero(sample.members))
    found = report(pool, sample.thresholds)["reliability"]
    assert isinstance(found, dict)
    for name in ("bins", "bins_before"):
        assert sum(one["share"] for one in found[name]) == pytest.approx(1)
    assert found["bins"] != found["bins_before"]
    # Both diagrams tell of the same labels: the frequency over all bins is how often the most probable class is right,
    # and each error is the mean distance of its own bins.
    for bins, error in (("bins", "ece"), ("bins_before", "ece_before")):
        gaps = [one["share"] * abs(one["probability"] - one["frequency"]) for one in found[bins]]
        assert sum(gaps) == pytest.approx(found[error]["value"], abs=1e-6)


def test_without_an_answer_or_with_one_class_there_is_no_figure() -> None:
    pool, truth = make_pool(items=200)
    sample = audit.extend(pool, {}, draws=40)
    none = report(label(pool, truth, np.zeros(0, dtype=np.int64)), sample.thresholds)
    assert none == {"n": 0, "labels": 0, "macro_f1": None, "per_class": {}, "too_few": ["common", "rare"]}
    common = np.flatnonzero(truth[:, 0] & sample.members)
    assert report(label(pool, truth, common), sample.thresholds)["macro_f1"] is None
    outside = np.flatnonzero(~sample.members)[:60]
    assert report(label(pool, truth, outside), sample.thresholds)["macro_f1"] is None


def test_a_class_with_too_few_audit_items_is_named() -> None:
    pool, truth = make_pool(items=500, shares=(0.97, 0.03))
    sample = audit.extend(pool, {}, draws=100)
    pool = label(pool, truth, np.union1d(np.flatnonzero(sample.members), np.flatnonzero(truth[:, 1])))
    found = report(pool, sample.thresholds)
    assert found["too_few"] == ["rare"]
    per_class = found["per_class"]
    assert isinstance(per_class, dict)
    assert set(per_class) == {"common", "rare"}


def test_equal_labels_give_the_same_report() -> None:
    pool, truth = make_pool(items=400)
    sample = audit.extend(pool, {}, draws=80)
    pool = label(pool, truth, np.flatnonzero(sample.members))
    assert report(pool, sample.thresholds) == report(pool, sample.thresholds)


def test_the_interval_of_the_mean_cost_is_no_wider_where_an_item_could_err_on_many_classes() -> None:
    names = tuple(f"class {number}" for number in range(20))
    pool, truth = make_pool(items=600, classes=names, shares=(0.05,) * 20, dimension=32)
    sample = audit.extend(pool, {}, draws=200)
    pool = label(pool, truth, np.flatnonzero(sample.members | (np.arange(600) < 300)))
    cost: dict[str, float] = report(pool, sample.thresholds, Task.MULTI)["cost"]  # type: ignore[assignment] # JSON
    errors = 0.5  # about as far as the number of errors of an item strays
    assert cost["low"] < cost["value"] < cost["high"]
    assert cost["high"] - cost["low"] < 2 * 1.96 * (errors + cost["value"]) / np.sqrt(200)


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
def test_a_model_that_is_corrected_for_new_class_shares_is_measured_as_it_decides(task: Task) -> None:
    pool, truth = make_pool(items=600, shares=(0.9, 0.1), dimension=4, seed=3)
    sample = audit.extend(pool, {}, draws=200)
    pool = label(pool, truth, np.flatnonzero(sample.members | (np.arange(600) < 200)))
    plain, corrected = (report(pool, sample.thresholds, task, ratios=np.array([0.0, by])) for by in (0.0, 2.0))
    assert plain == report(pool, sample.thresholds, task)
    assert recall(corrected, "rare") > recall(plain, "rare")
    before = [found["reliability"]["ece_before"] for found in (plain, corrected)]  # type: ignore[index] # JSON
    assert before[0] == before[1], "what the scores said before calibration knows of no correction"


def recall(found: dict[str, object], name: str) -> float:
    per_class: dict[str, dict[str, float]] = found["per_class"]  # type: ignore[assignment] # JSON
    return per_class[name]["recall"]
