"""What models see of a pool: the features of items, as they are or drawn to what lies around them."""

from functools import lru_cache

import numpy as np

from shared.halves import single, widen
from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.training import solver
from workers.training.fitting import Added
from workers.training.known import Known
from workers.training.selection_bias import on_own_axes, standing, stored, taught_of
from workers.training.solver import Axes
from workers.training.surroundings import Surroundings


def looked_at(pool: Pool, index: Index, config: ProjectConfig) -> Floats:
    """(len(index), d) float32, what a model is to see of items: their vectors, and lexical features if wanted."""
    matrix = pool.features if config.training.lexical else pool.matrix
    return matrix[pool.rows[index]].astype(np.float32)


def drawn(around: Surroundings, features: Floats, *, width: int) -> Floats:
    """(n, d) features (n, d) as a teacher sees them: vectors, so wide, drawn to their neighbours, words as they are."""
    return np.concatenate([around.draw(features[:, :width]), features[:, width:]], axis=1)


def row_of(pool: Pool, rows: Index) -> Index:
    """(n,) the place of each item of the pool among `rows`, -1 where it is not there."""
    places = np.full(len(pool), -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    return places


def added_to(pool: Pool, rows: Index, config: ProjectConfig) -> Added | None:
    """The augmented texts that are made from these labeled items; those made from others stay away with them."""
    made = pool.augmented
    if made is None:
        return None
    parents = row_of(pool, rows)[made.parents]
    kept = parents >= 0
    if not kept.any():
        return None
    width = looked_at(pool, rows[:1], config).shape[1]
    return Added(parents[kept], made.vectors[kept, :width], made.targets[kept], config.augmentation.weight)


def may_teach(pool: Pool, *, seed: int) -> Mask:
    """(m,) which of the items of `taught_of` a pupil is taught with: those of no family that has a label.

    So no pupil was taught the text of an item that it is asked about, to be calibrated or measured.
    """
    taught = taught_of(len(pool), seed=seed)
    alone: Mask = ~np.isin(pool.families[taught], pool.families[pool.labeled])
    return alone


def beside_each_other(pool: Pool, rows: Index, around: Surroundings, config: ProjectConfig) -> tuple[Axes, Axes]:
    """Items that a pupil may be taught with, as a teacher sees them; and as they are, with labeled ones after them.

    Args:
        pool: The pool.
        rows: (n,) positions of the labeled items.
        around: Surroundings in the pool.
        config: The project.
    """
    words = config.training.lexical and pool.lexical is not None
    axes = on_own_axes(standing(pool, seed=config.seed, lexical=words)).axes
    taught = taught_of(len(pool), seed=config.seed)
    seen, plain = _on_axes(around, stored(pool, taught, lexical=words), Known.of(axes), pool.matrix.shape[1])
    others, own = may_teach(pool, seed=config.seed), looked_at(pool, rows, config) @ axes
    return solver.spread_on(seen[others], axes), solver.spread_on(np.concatenate([plain[others], own]), axes)


@lru_cache(maxsize=4)
def _on_axes(around: Surroundings, texts: Known, axes: Known, width: int) -> tuple[Floats, Floats]:
    """Coordinates of texts as a teacher sees them, and as they are; nobody is to write to them."""
    plain = widen(texts.vectors)
    return drawn(around, plain, width=width) @ single(axes.vectors), plain @ single(axes.vectors)
