"""A real model on made-up texts: topic 3 is the rare class, and as many as are asked for have a label."""

from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Floats, Index, Lexical, Mask, Pool
from shared.project import ProjectConfig
from tests.workers.drift.world import EVERYTHING, Texts, draw, fit, join, sends_only
from tests.workers.training.test_teaching import told, topics
from workers.drift.channels import PART
from workers.drift.held_out import HeldOut, dump, hold_out, load
from workers.drift.levels import Level
from workers.drift.predictions import Decided, Predicted, decided
from workers.drift.report import WindowReport, compare
from workers.drift.watch import Change, Kind
from workers.drift.wording import why
from workers.training.classifier import LinearModel, decide, probabilities
from workers.training.tuning import train

_CONFIG = ProjectConfig(classes=("common", "rare"))
_RARE_TOPIC = 3


def test_decisions_are_counted_by_class_and_where_none_is_made() -> None:
    found = decided(
        np.array([[0.7, 0.3], [0.2, 0.4], [0.9, 0.8]], np.float32), np.array([[1, 0], [0, 0], [1, 1]], bool)
    )

    assert found.classes.tolist() == [0, 2, 0]
    assert found.counts.tolist() == [2, 1]
    assert found.confidence.tolist() == np.array([0.7, 0.4, 0.9], np.float32).tolist()


def test_a_doubled_rare_class_is_found_though_selection_chose_what_is_labeled() -> None:
    world = _World(labeled=300)
    report = world.look(_window(seed=1, rare=60))

    assert report.verdict("rare: rare").alarm
    assert 0.02 < report.verdict("rare: rare").share < 0.08
    assert report.predicted is not None
    assert report.predicted["compared"] is True
    assert sum(report.predicted["counts"].values()) == 1_000


@pytest.mark.parametrize("labeled", [100, 900])
def test_labels_in_the_reference_raise_no_alarm(labeled: int) -> None:
    world = _World(labeled=labeled)
    reports = [world.look(_window(seed=seed)) for seed in range(1, 7)]

    found = [verdict for report in reports for verdict in report.verdicts if verdict.channel in _OF_PREDICTIONS]
    assert len(found) == 3 * 6
    assert not any(verdict.alarm for verdict in found)
    assert min(verdict.p for verdict in found) > 0.001


def test_the_order_of_the_items_changes_nothing() -> None:
    world, window = _World(labeled=300), _window(seed=1, rare=60)
    order = np.random.default_rng(0).permutation(len(window))
    turned = Texts(
        window.vectors[order], window.ids[order], [window.sources[row] for row in order], window.topics[order]
    )

    assert world.look(turned).findings() == world.look(window).findings()


def test_what_was_held_out_is_read_as_it_was_written() -> None:
    held_out = _World(labeled=100).held_out
    again = load(dump(held_out))

    assert held_out.complete
    assert again.ids.tolist() == held_out.ids.tolist()
    assert (again.probability == held_out.probability).all()
    assert (again.decided == held_out.decided).all()


def test_a_label_has_no_say_in_what_is_held_out_of_its_item() -> None:
    """Nor in that of its family, as whole families are held out."""
    world = _World(labeled=100)
    targets = world.pool.targets.copy()
    item = int(np.flatnonzero(world.pool.labeled)[0])
    targets[item] = ~targets[item]
    other = _held_out(replace(world.pool, targets=targets, folds=world.folds), world.model)
    same = _held_out(replace(world.pool, folds=world.folds), world.model)
    place = int(np.searchsorted(same.ids, world.pool.ids[item]))

    assert (other.probability[place] == same.probability[place]).all()
    assert (other.probability != same.probability).any()


def test_a_model_that_looks_at_words_too_has_one_beside_it_that_looks_at_vectors_alone() -> None:
    world = _World(labeled=100)
    words = np.where(world.pool.targets[:, 1:], 0.7, -0.7).astype(np.float16)
    pool = replace(world.pool, lexical=Lexical(words, np.arange(2_000)))
    model = train(pool, _CONFIG)
    assert model is not None
    held_out = _held_out(pool, model)
    assert held_out.alone is not None
    again = load(dump(held_out))
    assert again.alone is not None
    assert (again.alone.weights == held_out.alone.weights).all()
    assert held_out.alone.weights.shape[1] == pool.matrix.shape[1] == model.weights.shape[1] - 1
    assert (held_out.probability == world.held_out.probability).all()  # nor do those that saw no label look at words
    assert world.held_out.alone is None


def test_what_is_held_out_stands_in_place_of_what_the_model_says_itself() -> None:
    held_out = HeldOut(np.array([3, 8]), np.array([[0.1, 0.9], [0.6, 0.4]], np.float32), np.eye(2, dtype=bool))
    probability, chosen = np.full((3, 2), 0.5, np.float32), np.zeros((3, 2), dtype=bool)
    held_out.put_into(np.array([8, 5, 3]), probability, chosen)

    assert probability.tolist() == np.array([[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]], np.float32).tolist()
    assert chosen.tolist() == [[False, True], [False, False], [True, False]]


def test_where_labels_are_too_few_to_hold_any_out_nothing_is_compared_but_all_is_counted() -> None:
    world = _World(labeled=300)
    few = replace(world.pool, labeled=world.pool.labeled & (np.cumsum(world.pool.labeled) <= 1))
    held_out = _held_out(few, world.model)
    report = world.look(_window(seed=1, rare=60), held_out)

    assert not held_out.complete
    assert not any(verdict.channel in _OF_PREDICTIONS for verdict in report.verdicts)
    assert report.predicted is not None
    assert report.predicted["compared"] is False
    assert sum(report.predicted["counts"].values()) == 1_000


@pytest.mark.parametrize(("rare", "none_of_it", "which"), [(60, False, "a larger"), (0, True, "a smaller")])
def test_an_alarm_says_which_class_takes_another_share_and_which_way(rare: int, none_of_it: bool, which: str) -> None:
    window = _window(seed=1, rare=rare)
    if none_of_it:
        window = _part(window, window.topics != _RARE_TOPIC)
    report = _World(labeled=100).look(window)
    change = Change(Kind.RAISED, "rare", "rare", Level.NOTE, 0.043)

    assert report.verdict("rare: rare").alarm
    assert why(change, report, window=4) == f"rare takes {which} share of window 4, by about 4.3% of its items or more"


def test_an_alarm_that_is_over_says_nothing_of_which_way() -> None:
    report = _World(labeled=100).look(_window(seed=1))
    change = Change(Kind.OVER, "rare", "rare", Level.NOTE, 0.0)

    assert "another share" in why(change, report, window=4)


def test_the_parts_of_the_budget_are_all_of_it() -> None:
    assert sum(PART.values()) == pytest.approx(1.0)


def _held_out(pool: Pool, model: LinearModel) -> HeldOut:
    found = hold_out(pool, pool.ids, _CONFIG, model)
    assert found is not None
    return found


_OF_PREDICTIONS = ("predicted", "confidence", "rare")


class _World:
    """A reference in a pool, of which a model has learned what it had chosen itself."""

    def __init__(self, *, labeled: int) -> None:
        self.texts = draw(EVERYTHING, 2_000, seed=0)
        self.reference = fit(self.texts)
        self.pool = _pool(self.texts, np.arange(2_000) < 50)
        self.model = self._trained()
        while self.pool.labeled.sum() < labeled:
            likely = np.where(self.pool.labeled, -1.0, self._said(self.texts)[0][:, 1])
            more = np.argsort(-likely, kind="stable")[: min(100, labeled - int(self.pool.labeled.sum()))]
            self.pool = _pool(self.texts, self.pool.labeled | np.isin(np.arange(2_000), more))
            self.model = self._trained()
        self.folds = np.where(self.pool.labeled, np.cumsum(self.pool.labeled) % 5, -1)
        self.held_out = _held_out(self.pool, self.model)

    def look(self, window: Texts, held_out: HeldOut | None = None) -> WindowReport:
        given = held_out or self.held_out

        def of_reference(ids: Index) -> Decided:
            probability, chosen = self._said(self.texts, ids)
            given.put_into(ids, probability, chosen)
            return decided(probability, chosen)

        a, b = of_reference(self.reference.a_ids), of_reference(self.reference.b_ids)
        return compare(
            self.reference,
            vectors=window.vectors,
            ids=window.ids,
            sources=window.sources,
            predicted=Predicted(7, _CONFIG.classes, decided(*self._said(window)), a, b, given.complete),
        )

    def _trained(self) -> LinearModel:
        model = train(self.pool, _CONFIG)
        assert model is not None
        return model

    def _said(self, texts: Texts, rows: Index | None = None) -> tuple[Floats, Mask]:
        vectors = texts.vectors.astype(np.float32) if rows is None else texts.vectors[rows].astype(np.float32)
        probability = probabilities(self.model, vectors, np.arange(len(vectors)))
        return probability, decide(self.model, probability)


def _window(*, seed: int, rare: int = 0) -> Texts:
    usual = draw(EVERYTHING, 1_000 - rare, seed=seed, first_id=10_000 * seed)
    more = draw(sends_only(_RARE_TOPIC, "mail", "chat"), rare, seed=seed, first_id=10_000 * seed + 5_000)
    return join(usual, more) if rare else usual


def _part(texts: Texts, of: Mask) -> Texts:
    sources = [source for source, there in zip(texts.sources, of.tolist(), strict=True) if there]
    return Texts(texts.vectors[of], texts.ids[of], sources, texts.topics[of])


def _pool(texts: Texts, labeled: Mask) -> Pool:
    n = len(texts)
    rows, nothing = np.arange(n), np.full(n, -1)
    is_rare = texts.topics == _RARE_TOPIC
    return Pool(
        item_ids=[str(row) for row in range(n)],
        ids=rows,
        matrix=texts.vectors,
        rows=rows,
        source_names=("one",),
        sources=np.zeros(n, dtype=np.int64),
        groups=rows,
        families=rows,
        draws=(rows + 0.5) / n,
        folds=nothing,
        bands=nothing,
        rule_names=(),
        rule_hits=np.zeros((n, 0), dtype=bool),
        rule_scores=np.zeros((n, 0), dtype=np.float32),
        rule_settled=np.zeros(0, dtype=bool),
        classes=_CONFIG.classes,
        targets=np.column_stack([~is_rare, is_rare]) & labeled[:, None],
        labeled=labeled,
        queued=np.zeros(n, dtype=bool),
    )


def test_a_model_that_learned_from_texts_of_the_reference_is_not_asked_about_it() -> None:
    pool, truth = topics(items=1_500, seed=2, noise=2.0)
    pool, config = told(pool, truth, 120), ProjectConfig(classes=pool.classes)
    taught = train(pool, config)
    assert taught is not None
    assert taught.tuning.recipe.taught
    found = hold_out(pool, pool.ids[:600], config, taught)
    assert found is not None
    assert found.alone is not None
    assert not found.alone.tuning.recipe.taught
    again = hold_out(pool, pool.ids[:600], config, found.alone)
    assert again is not None
    assert again.alone is None
    assert np.array_equal(found.probability, again.probability)
