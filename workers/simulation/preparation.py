"""From a labeled file to what a replay needs: the pool as a live project would load it, and a test set apart."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shared.descriptions import described_hits
from shared.errors import InvalidInputError
from shared.pool import Floats, Index, Lexical, Mask, Pool, join_groups
from shared.project import ProjectConfig
from shared.repository.items import NewItem
from shared.vectors import VectorTable
from workers.embedding.lexicon import Lexicon, texts_to_learn_from
from workers.intake.duplicates import Pairs, merge_groups, near_duplicates
from workers.intake.rows import permanent_draw
from workers.intake.rules import Rules
from workers.simulation.dataset import Dataset
from workers.training.splits import held_out_quarter


@dataclass(frozen=True)
class TestSet:
    """Items that a replay never chooses.

    Attributes:
        item_ids: (n,) their names.
        rows: (n,) int64, rows of the pool's matrix.
        targets: (n, n_classes) bool.
    """

    # pytest looks for classes of this name.
    __test__ = False

    item_ids: tuple[str, ...]
    rows: Index
    targets: Mask


@dataclass(frozen=True)
class ReplayData:
    """What a replay works on.

    Attributes:
        pool: The pool before the first label.
        truth: (n, n_classes) bool, the labels that the file holds for the items of the pool.
        test: The test set; none of its items shares a family with an item of the pool.
        left_out: Test items of the file that do share one, and so are not measured on.
    """

    pool: Pool
    truth: Mask
    test: TestSet
    left_out: int


def prepare(dataset: Dataset, vectors: VectorTable, config: ProjectConfig) -> ReplayData:
    """Split a file into pool and test set, and build the pool as a project that ingests its rows in order would.

    The test set is what the file marks as such; without marks a quarter, stratified by class and source, whole families
    only. Where the file's own split puts members of one family on both sides, the pool stays as it is and those test
    items are left out, since a model that trained on an item's duplicate can't be measured on the item.

    Args:
        dataset: The file.
        vectors: Holds a vector for every text, and for the descriptions of the rules.
        config: Classes, seed, rules and the cosine of near duplicates.

    Raises:
        InvalidInputError: nothing is left for the pool or the test set.
    """
    items = [row.item for row in dataset.items]
    rows = vectors.locate(np.array([item.text_key for item in items], dtype=np.int64))
    targets = _targets(dataset, config.classes)
    everything = np.arange(len(items))
    near = _Near(items, vectors, rows, config.near_duplicate_cosine)
    if dataset.has_test_split:
        in_test = np.array([row.test for row in dataset.items], dtype=bool)
        in_pool = np.flatnonzero(~in_test)
        pairs = near.pairs(in_pool)
        families = _families(items, np.concatenate([pairs, near.pairs(np.flatnonzero(in_test), known=in_pool)]))
    else:
        pairs = near.pairs(everything)
        families = _families(items, pairs)
        in_test = held_out_quarter(targets, families, _sources(items)[1], seed=config.seed)
        in_pool = np.flatnonzero(~in_test)
        pairs = pairs[~in_test[pairs].any(axis=1)]  # a family is on one side: no group is torn
    measured = np.flatnonzero(in_test & ~np.isin(families, families[in_pool]))
    _check_sizes(pool=len(in_pool), marked=int(in_test.sum()), measured=len(measured))
    pool = _pool([items[i] for i in in_pool], rows[in_pool], np.searchsorted(in_pool, pairs) + 1, vectors, config)
    if config.training.lexical:
        pool = replace(pool, lexical=_lexical_features(items, in_pool, rows, vectors, seed=config.seed))
    return ReplayData(
        pool=pool,
        truth=targets[in_pool],
        test=TestSet(tuple(items[i].item_id for i in measured), rows[measured], targets[measured]),
        left_out=int(in_test.sum()) - len(measured),
    )


@dataclass(frozen=True)
class _Near:
    """Finds near duplicates among the positions of a file's items."""

    items: Sequence[NewItem]
    vectors: VectorTable
    rows: Index
    threshold: float

    def pairs(self, new: Index, *, known: Index | None = None) -> Pairs:
        """Pairs of positions: near duplicates among `new`, and between `new` and `known`."""
        new = self._first_with_text(new)
        known = new[:0] if known is None else self._first_with_text(known)
        return near_duplicates(
            new_ids=new,
            new=self.vectors.matrix[self.rows[new]],
            known_ids=known,
            known=self.vectors.matrix[self.rows[known]],
            threshold=self.threshold,
        )

    def _first_with_text(self, positions: Index) -> Index:
        """One item stands for all that have the same text: those are exact duplicates already."""
        keys = np.array([self.items[i].text_key for i in positions], dtype=np.int64)
        return np.sort(positions[np.unique(keys, return_index=True)[1]])


def _targets(dataset: Dataset, classes: Sequence[str]) -> Mask:
    column = {name: place for place, name in enumerate(classes)}
    targets = np.zeros((len(dataset.items), len(column)), dtype=bool)
    for place, row in enumerate(dataset.items):
        targets[place, [column[name] for name in row.classes]] = True
    return targets


def _sources(items: Sequence[NewItem]) -> tuple[tuple[str, ...], Index]:
    """Names of the sources, and the code (n,) of each item's."""
    names, codes = np.unique(np.array([item.source for item in items], dtype=str), return_inverse=True)
    return tuple(names.tolist()), codes.astype(np.int64)


def _families(items: Sequence[NewItem], pairs: Pairs) -> Index:
    ids = np.arange(len(items))
    return join_groups(_duplicate_groups(items, ids, pairs), [item.group for item in items])


def _duplicate_groups(items: Sequence[NewItem], ids: Index, pairs: Pairs) -> Index:
    """(n,) smallest id of each item's duplicate group; `ids` (n,) are consecutive, `pairs` of them near duplicates."""
    keys = np.array([item.normal_key for item in items], dtype=np.int64)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    groups: Index = ids[first][inverse]
    moved = merge_groups(pairs, dict(zip(ids.tolist(), groups.tolist(), strict=True)))
    groups[np.array(list(moved), dtype=np.int64) - ids[0]] = list(moved.values())
    return groups


def _lexical_features(
    items: Sequence[NewItem], in_pool: Index, rows: Index, vectors: VectorTable, *, seed: int
) -> Lexical | None:
    """Lexical features of all items' texts by what the pool's texts show; None where these are too few.

    Args:
        items: n of them.
        in_pool: (m,) places of those that are in the pool.
        rows: (n,) the row of each in the matrix of the vectors.
        vectors: Of these texts, and perhaps of others.
        seed: Of the lexicon.
    """
    keys = np.array([items[place].text_key for place in in_pool.tolist()], dtype=np.int64)
    drawn = texts_to_learn_from(keys, seed=seed)
    if drawn is None:
        return None
    lexicon = Lexicon.fit([items[place].text for place in in_pool[drawn].tolist()], seed=seed)
    features = lexicon.features([item.text for item in items]).astype(np.float16)
    return Lexical.of(features, rows, height=len(vectors.matrix))


def _check_sizes(*, pool: int, marked: int, measured: int) -> None:
    if not pool:
        raise InvalidInputError(
            "nothing is left for the pool: all rows are for testing, or all belong together by their duplicates and "
            "groups. Mark fewer rows with split = test, or give more rows."
        )
    if not measured:
        raise InvalidInputError(
            f"nothing is left to test on: each of the {marked:,} test rows has a duplicate, or a row of its group, in "
            "the pool. Mark other rows with split = test, or none, to have a quarter split off."
        )


def _pool(items: list[NewItem], rows: Index, pairs: Pairs, vectors: VectorTable, config: ProjectConfig) -> Pool:
    """As `shared.repository.pools.load_pool` gives it for a project that holds these items alone, ids from 1."""
    ids = np.arange(1, len(items) + 1)
    groups = _duplicate_groups(items, ids, pairs)
    hits, scores = _settled_hits(items, config)
    near, cosine = described_hits(config.rules, vectors, matrix=vectors.matrix, rows=rows, groups=groups)
    source_names, sources = _sources(items)
    return Pool(
        item_ids=[item.item_id for item in items],
        ids=ids,
        matrix=vectors.matrix,
        rows=rows,
        source_names=source_names,
        sources=sources,
        groups=groups,
        families=join_groups(groups, [item.group for item in items]),
        draws=np.array([permanent_draw(config.seed, item.item_id) for item in items], dtype=np.float64),
        folds=np.full(len(items), -1, dtype=np.int64),
        bands=np.full(len(items), -1, dtype=np.int64),
        rule_names=tuple(rule.name for rule in config.rules),
        rule_hits=hits | near,
        rule_scores=scores + cosine,
        rule_settled=np.array([rule.description is None for rule in config.rules], dtype=bool),
        classes=config.classes,
        targets=np.zeros((len(items), len(config.classes)), dtype=bool),
        labeled=np.zeros(len(items), dtype=bool),
        queued=np.zeros(len(items), dtype=bool),
    )


def _settled_hits(items: Sequence[NewItem], config: ProjectConfig) -> tuple[Mask, Floats]:
    rules = Rules(config.rules)
    column = {rule.name: place for place, rule in enumerate(config.rules)}
    scores = np.full((len(items), len(column)), np.nan, dtype=np.float32)
    for place, item in enumerate(items):
        for name, score in rules.scores(item.text, item.hints).items():
            scores[place, column[name]] = score
    hits = ~np.isnan(scores)
    return hits, np.where(hits, scores, np.float32(0))
