"""What the model takes items of each class for. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from workers.reporting.measured import Metrics


@dataclass(frozen=True)
class Confusions:
    """What items of each class were decided to be.

    Attributes:
        classes: of the rows and columns; the last may stand for several.
        share: (n_classes, n_classes) share of the pool by true class (row) and decided class (column).
    """

    classes: Sequence[str]
    share: Sequence[Sequence[float]]

    @property
    def rates(self) -> list[list[float | None]]:
        """(n_classes, n_classes) share of each true class; None in the row of a class that was not seen."""
        return [[part / sum(row) if sum(row) > 0 else None for part in row] for row in self.share]

    def arranged(self, order: Sequence[str], *, others: str = "") -> "Confusions":
        """These classes in this order, and last all the others as one, named `others`."""
        place = {name: number for number, name in enumerate(self.classes)}
        groups = [[place[name]] for name in order]
        if rest := [number for name, number in place.items() if name not in set(order)]:
            groups.append(rest)
        names = [*order, *([others] if rest else [])]
        return Confusions(names, [[self._sum(rows, columns) for columns in groups] for rows in groups])

    def largest(self, count: int) -> list[tuple[str, str, float, float]]:
        """The mistakes that most items of the pool suffer: (true class, decided class, share of the pool, share of the
        true class)."""
        rates = self.rates
        found = [
            (name, other, self.share[row][column], rates[row][column] or 0.0)
            for row, name in enumerate(self.classes)
            for column, other in enumerate(self.classes)
            if row != column and self.share[row][column] > 0
        ]
        return sorted(found, key=lambda one: (-one[2], one[0], one[1]))[:count]

    def _sum(self, rows: Sequence[int], columns: Sequence[int]) -> float:
        return sum(self.share[row][column] for row in rows for column in columns)


def confusions(metrics: Metrics) -> Confusions | None:
    """The confusions of a version, where items have exactly one class and they were measured."""
    found = metrics.get("confusion")
    return Confusions(found["classes"], found["share"]) if found else None
