"""The texts of a project that have vectors, as near duplicates are looked for among them while more are stored."""

from dataclasses import dataclass, field

import numpy as np

from shared.pool import Index
from shared.vectors import Vectors, VectorTable
from workers.intake.cells import Cells
from workers.intake.duplicates import Pairs, near_duplicates


@dataclass
class KnownTexts:
    """What one run of the embedding room knows.

    Attributes:
        keys: (n,) int64 text keys of the project's items, ascending.
        items: (n,) int64 row number of the first item with each; it stands for all of them, which are one group
            already.
        cells: of the vectors that are stored.
    """

    keys: Index
    items: Index
    cells: Cells = field(default_factory=Cells)

    def near_duplicates(self, keys: Index, vectors: Vectors, stored: VectorTable, *, threshold: float) -> Pairs:
        """Pairs of row numbers, of new texts with each other and with stored ones.

        Args:
            keys: (k,) of the new texts.
            vectors: (k, d) theirs.
            stored: Of the texts that have vectors, this run's first of all that it was given.
            threshold: Cosine of near duplicates.
        """
        rows = np.sort(stored.rows)  # as they were stored: cells that were found stay right while more are added
        by_row = np.empty(len(stored.matrix), dtype=np.int64)
        by_row[stored.rows] = self._first_items(stored.keys)
        whole = len(rows) == len(stored.matrix)
        return near_duplicates(
            new_ids=self._first_items(keys),
            new=vectors,
            known_ids=by_row[rows],
            known=stored.matrix if whole else stored.matrix[rows],
            threshold=threshold,
            cells=self.cells if whole else None,
        )

    def _first_items(self, keys: Index) -> Index:
        """(k,) first item with each text; every key is one of the project's."""
        found: Index = self.items[np.searchsorted(self.keys, keys)]
        return found
