"""What is kept of one replay: a line of JSON, from which every measure follows."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# In the place of a strategy: a model trained on every label of the pool, the yardstick of "enough labels".
ALL_LABELS = "all-labels"


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(_Line):
    """Under which terms strategies are compared.

    Attributes:
        init: Labels of the first round, which has no model.
        batch: Labels of each later round.
        rounds: Rounds, the first included.
        noise: Share of the labels that are another item's.
        caps: Whether classes and sources are capped.
    """

    init: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    rounds: Annotated[int, Field(ge=1)]
    noise: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    caps: bool = False

    @property
    def budget(self) -> int:
        """Labels in all."""
        return self.init + (self.rounds - 1) * self.batch


class Cell(_Line):
    """One replay: which set, which strategy, which seed, and under which terms."""

    set: str
    strategy: str
    seed: int
    condition: Condition


class Record(_Line):
    """What a replay gave.

    Attributes:
        cell: Which replay.
        eligible: Items of the pool that may be labeled: one a duplicate group.
        rare_classes: Names.
        rare_items: Items among the eligible that are of a rare class, by their true label.
        labels: After each round, labeled items so far.
        macro_f1: After each round, on the test set.
        rare_f1: Likewise, mean over the rare classes; None where the test set has none.
        rare_pr_auc: Likewise.
        rare_found_at: How many labels it took to find the first rare item, the second and so on.
        select_s: Seconds that choosing each round's batch took.
        train_s: Seconds that training after each round took.
        select_mib: MiB of memory that choosing the batch took at most in any round; None where the system does not say.
        over_caps: Items chosen beyond a cap.
        missing: Items that batches were short of.
        machine: What it ran on.
        date: When, ISO 8601.
    """

    cell: Cell
    eligible: int
    rare_classes: tuple[str, ...]
    rare_items: int
    labels: tuple[int, ...]
    macro_f1: tuple[float, ...]
    rare_f1: tuple[float | None, ...]
    rare_pr_auc: tuple[float | None, ...]
    rare_found_at: tuple[int, ...]
    select_s: tuple[float, ...]
    train_s: tuple[float, ...]
    select_mib: float | None
    over_caps: int
    missing: int
    machine: str
    date: str

    @property
    def budget(self) -> int:
        """Labels that the pool and the condition allow."""
        return min(self.cell.condition.budget, self.eligible)
