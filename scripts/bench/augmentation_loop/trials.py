"""One trial: a labeled file as one seed sees it, a budget of labels, and models taught with and without more texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from scripts.bench.selection_loop.prepared import Prepared
from shared.augmentation_options import AnyRecipe, Augmentation
from shared.pool import Augmented, Index, Mask, Pool
from shared.project import ProjectConfig
from shared.repository.augmentation import apart_from_others
from shared.training_options import Training
from shared.vectors import VectorTable, text_key
from workers.augmentation.making import Candidate, Parent, accept, candidates, open_maker, rare_classes
from workers.training import classifier
from workers.training.metrics import evaluate
from workers.training.tuning import train

# Labels of each rare class that a small budget has at least: channels find some before a model could.
FEWEST_OF_A_CLASS = 5

Encode = Callable[[Mapping[int, str]], VectorTable]
"""Vectors of texts by text key."""


@dataclass(frozen=True)
class Outcome:
    """What a model is worth on the test set: the mean PR-AUC of its rare classes, and macro-F1 over all."""

    rare_pr_auc: float
    macro_f1: float
    texts: int


@dataclass(frozen=True)
class Trial:
    """A pool with a budget of labels.

    Attributes:
        prepared: The pool without labels, the labels that there are, and the test set.
        texts: Text of each item of the pool, by `item_id`.
        known: Normal keys of all texts of the file: none of these counts as made.
        rare: The classes that are measured, and augmented.
        pool: The pool with its labels.
        seed: Of all that is drawn.
    """

    prepared: Prepared
    texts: Mapping[str, str]
    known: frozenset[int]
    rare: tuple[str, ...]
    pool: Pool
    seed: int

    def config(self, *, augmentation: Augmentation, training: Training) -> ProjectConfig:
        """The project that this stands for."""
        return ProjectConfig(
            task=self.prepared.task,
            classes=self.pool.classes,
            seed=self.seed,
            augmentation=augmentation,
            training=training,
        )


def labeled_at_random(pool: Pool, truth: Mask, rare: Sequence[str], *, budget: int, seed: int) -> Pool:
    """Label as many items, drawn at random, of which each rare class has five at least. Smaller budgets are parts of
    larger ones."""
    order = np.random.default_rng(seed).permutation(len(pool))
    place = np.empty(len(pool), dtype=np.int64)
    place[order] = np.arange(len(pool))
    columns = [pool.classes.index(name) for name in rare]
    first = np.concatenate([order[truth[order, column]][:FEWEST_OF_A_CLASS] for column in columns])
    place[first] -= len(pool)
    labeled = np.zeros(len(pool), dtype=bool)
    labeled[np.argsort(place, kind="stable")[:budget]] = True
    return replace(pool, labeled=labeled, targets=truth & labeled[:, None])


def rare_of(prepared: Prepared, pool: Pool) -> tuple[str, ...]:
    """The set's rare classes: those that it names, or those that have under half of an even share."""
    if prepared.rare is not None:
        return prepared.rare
    counts = prepared.data.truth.sum(axis=0).tolist()
    return tuple(rare_classes(dict(zip(pool.classes, counts, strict=True)), {}))


def plain(trial: Trial) -> Outcome:
    """Nothing but the labels."""
    return _measured(trial, trial.pool, Training(), Augmentation())


def oversampled(trial: Trial) -> Outcome:
    """Labels of small classes repeated."""
    return _measured(trial, trial.pool, Training(sampling="oversample"), Augmentation())


def augmented(trial: Trial, *, recipe: AnyRecipe, encode: Encode) -> Outcome:
    """Texts made from the labels of rare classes beside them."""
    made = make(trial, recipe)
    found = place(trial, made, encode)
    options = Augmentation(recipes=(recipe,))
    outcome = _measured(trial, replace(trial.pool, augmented=found), Training(), options)
    return replace(outcome, texts=0 if found is None else len(found.parents))


def make(trial: Trial, recipe: AnyRecipe) -> list[Candidate]:
    """What a recipe makes of the labeled items of the rare classes."""
    pool = trial.pool
    rows = np.flatnonzero(pool.targets[:, [pool.classes.index(name) for name in trial.rare]].any(axis=1))
    parents = [
        Parent(row, pool.item_ids[row], trial.texts[pool.item_ids[row]], recipe.per_item) for row in rows.tolist()
    ]
    return accept(candidates(recipe, parents, open_maker(recipe)(parents, trial.seed)), set(trial.known))


def place(trial: Trial, made: Sequence[Candidate], encode: Encode) -> Augmented | None:
    """Made texts as a project would load them."""
    if not made:
        return None
    keys = np.array([text_key(one.text) for one in made], dtype=np.int64)
    table = encode({text_key(one.text): one.text for one in made})
    vectors = table.matrix[table.locate(keys)].astype(np.float32)
    parents: Index = np.array([one.parent.item for one in made], dtype=np.int64)
    kept = apart_from_others(
        vectors, parents, trial.pool, threshold=ProjectConfig(classes=("a",)).near_duplicate_cosine
    )
    return Augmented(parents[kept], vectors[kept], trial.pool.targets[parents[kept]]) if kept.any() else None


def conditions(recipes: Mapping[str, AnyRecipe], encode: Encode) -> dict[str, Callable[[Trial], Outcome]]:
    """What is compared, by name; the first is what the others are held against."""
    made = {name: partial(augmented, recipe=recipe, encode=encode) for name, recipe in recipes.items()}
    return {"plain": plain, "oversampled": oversampled, **made}


def _measured(trial: Trial, pool: Pool, training: Training, augmentation: Augmentation) -> Outcome:
    alone = training.model_copy(update={"lexical": False})  # made texts are given no lexical features here
    model = train(pool, trial.config(augmentation=augmentation, training=alone))
    if model is None:
        raise RuntimeError("the labels hold one class only")
    test = trial.prepared.data.test
    probability = classifier.probabilities(model, pool.matrix, test.rows)
    found = evaluate(test.targets, classifier.decide(model, probability), probability, classes=pool.classes)
    areas = [found.per_class[name].pr_auc for name in trial.rare]
    return Outcome(float(np.mean([area for area in areas if area is not None])), found.macro_f1, texts=0)
