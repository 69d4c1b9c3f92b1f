"""The pool, put together from what was read of it; arrays of the last one stand where nothing of theirs changed. Pure
but for the maps of vectors."""

from dataclasses import dataclass

import numpy as np

from shared.descriptions import described_hits
from shared.pool import Floats, Index, Lexical, Mask, Pool, join_numbered_groups, places
from shared.project import ProjectConfig
from shared.repository.item_columns import ItemColumns
from shared.repository.lexical import lexical_beside
from shared.repository.pool_facts import Bands, Hits, Labels, dense
from shared.vectors import VectorTable


@dataclass(frozen=True)
class Parts:
    """What a pool is made of.

    Attributes:
        config: of the project.
        columns: all items, those without a vector too.
        rows: (n,) int64, row of the vectors' matrix for each of them, -1 without a vector.
        labels: of the items.
        hits: of the seeding rules that were looked at when the items arrived.
        bands: of the audit sample.
        vectors: of the items.
        descriptions: of the rules' descriptions.
        features: lexical ones, of the items.
    """

    config: ProjectConfig
    columns: ItemColumns
    rows: Index
    labels: Labels
    hits: Hits
    bands: Bands
    vectors: VectorTable
    descriptions: VectorTable
    features: VectorTable


@dataclass(frozen=True)
class Made:
    """A pool with the parts that it was made of."""

    parts: Parts
    pool: Pool


def vector_rows(vectors: VectorTable, columns: ItemColumns, before: Parts | None) -> Index:
    """(n,) row of each item in the vectors' matrix, -1 without one. Only items that had none are looked up again."""
    if before is None:
        return vectors.locate(columns.text_keys)
    if vectors is before.vectors and columns.text_keys is before.columns.text_keys:
        return before.rows
    more = len(columns.ids) - len(before.rows)
    rows = np.concatenate([before.rows, np.full(more, -1, dtype=np.int64)])
    open_ = np.flatnonzero(rows < 0)
    rows[open_] = vectors.locate(columns.text_keys[open_])
    return rows


def assemble(parts: Parts, open_items: Index, before: Made | None) -> Pool:
    """The pool of some parts.

    Args:
        parts: What was read.
        open_items: (k,) row numbers of the items with an open assignment.
        before: What an earlier call made.
    """
    old, columns, config = before, parts.columns, parts.config
    if old is not None and not (parts.rows is old.parts.rows and columns.ids is old.parts.columns.ids):
        old = None
    embedded = np.flatnonzero(parts.rows >= 0)
    whole = len(embedded) == len(parts.rows)

    def of_embedded(column: Index) -> Index:
        return column if whole else column[embedded]

    ids = old.pool.ids if old else of_embedded(columns.ids)
    source_names, sources = (old.pool.source_names, old.pool.sources) if old else _sources(columns, embedded)
    grouped = old if old and columns.groups is old.parts.columns.groups else None
    groups = grouped.pool.groups if grouped else of_embedded(columns.groups)
    rows = old.pool.rows if old else of_embedded(parts.rows)
    targets, labeled = _labels(parts.labels, ids)
    queued = np.zeros(len(ids), dtype=bool)
    place = places(ids, open_items)
    queued[place[place >= 0]] = True
    hits, scores = _rule_hits(parts, grouped, ids=ids, rows=rows, groups=groups)
    return Pool(
        item_ids=old.pool.item_ids if old else (columns.item_ids if whole else columns.item_ids.taken(embedded)),
        ids=ids,
        matrix=parts.vectors.matrix,
        rows=rows,
        source_names=source_names,
        sources=sources,
        groups=groups,
        families=grouped.pool.families if grouped else join_numbered_groups(groups, of_embedded(columns.named)),
        draws=old.pool.draws if old else (columns.draws if whole else columns.draws[embedded]),
        folds=of_embedded(columns.folds),
        bands=of_embedded(parts.bands.codes),
        rule_names=tuple(rule.name for rule in config.rules),
        rule_hits=hits,
        rule_scores=scores,
        rule_settled=np.array([rule.description is None for rule in config.rules], dtype=bool),
        classes=config.classes,
        targets=targets,
        labeled=labeled,
        queued=queued,
        lexical=_lexical(parts, before),
    )


def _sources(columns: ItemColumns, embedded: Index) -> tuple[tuple[str, ...], Index]:
    """Names of the sources that embedded items have, in their order, and (n,) codes."""
    codes = columns.sources[embedded]
    there = np.flatnonzero(np.bincount(codes, minlength=len(columns.source_names)))
    names = [columns.source_names[code] for code in there.tolist()]
    order = sorted(range(len(names)), key=names.__getitem__)
    code_of = np.empty(len(columns.source_names), dtype=np.int64)
    code_of[there[order]] = np.arange(len(order))
    return tuple(names[place] for place in order), code_of[codes]


def _labels(labels: Labels, ids: Index) -> tuple[Mask, Mask]:
    """Targets (n, n_classes) and labeled (n,)."""
    targets = np.zeros((len(ids), labels.targets.shape[1]), dtype=bool)
    labeled = np.zeros(len(ids), dtype=bool)
    place = places(ids, labels.items)
    kept = place >= 0
    targets[place[kept]] = labels.targets[kept]
    labeled[place[kept]] = True
    return targets, labeled


def _rule_hits(parts: Parts, old: Made | None, *, ids: Index, rows: Index, groups: Index) -> tuple[Mask, Floats]:
    """Hits (n, n_rules) and scores (n, n_rules) of all rules; `old` was made of the same items in the same groups."""
    if old and parts.hits is old.parts.hits and parts.descriptions is old.parts.descriptions:
        return old.pool.rule_hits, old.pool.rule_scores
    hits, scores = dense(parts.hits, ids, rules=len(parts.config.rules))
    near, cosine = described_hits(
        parts.config.rules, parts.descriptions, matrix=parts.vectors.matrix, rows=rows, groups=groups
    )
    return hits | near, scores + cosine


def _lexical(parts: Parts, before: Made | None) -> Lexical | None:
    if before and parts.vectors is before.parts.vectors and parts.features is before.parts.features:
        return before.pool.lexical
    return lexical_beside(parts.vectors, parts.features)
