"""What is kept of stories, and their table."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from scripts.bench.drift_loop.story import AKIN, UNLIKE, Ending
from scripts.bench.selection_loop.markdown import NOTHING, number, percent, table
from shared.errors import InvalidInputError

SET = "clinc150_full"
KINSHIPS = (AKIN, UNLIKE)


class Told(BaseModel):
    """How one story ended: see `story.Ending`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinship: str
    seed: int
    watched: bool
    batch: int
    found: float
    labels: int
    waited: int | None
    campaigns: int
    machine: str

    @classmethod
    def of(cls, ending: Ending, kinship: str, *, seed: int, watched: bool, batch: int, machine: str) -> Self:
        """A line to keep."""
        return cls(
            kinship=kinship,
            seed=seed,
            watched=watched,
            batch=batch,
            found=ending.found,
            labels=ending.labels,
            waited=ending.waited,
            campaigns=ending.campaigns,
            machine=machine,
        )


def read_told(path: Path) -> dict[tuple[str, int, bool, int], Told]:
    """Stories by kinship, seed, whether they were watched, and batch; of two, the later.

    Raises:
        InvalidInputError: a line is none.
    """
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    try:
        told = [Told.model_validate_json(line) for line in lines[:-1]]
    except ValidationError as error:
        raise InvalidInputError(f"{path}: a line is not a story of this bench. Give another --out") from error
    return {(one.kinship, one.seed, one.watched, one.batch): one for one in told}


def append_told(path: Path, told: Told) -> None:
    """Add a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(told.model_dump_json() + "\n")


def story_table(told: Sequence[Told]) -> str:
    """One row a kinship and way: what was found, how soon, and how many times as much the watch finds."""
    rows = []
    for kinship in KINSHIPS:
        found = {
            on: mean(one.found for one in told if (one.kinship, one.watched) == (kinship, on))
            for on in (True, False)
            if any((one.kinship, one.watched) == (kinship, on) for one in told)
        }
        for on in found:
            mine = [one for one in told if (one.kinship, one.watched) == (kinship, on)]
            waited = [one.waited for one in mine if one.waited is not None]
            rows.append(
                [
                    f"{kinship}, watch {'on' if on else 'off'}",
                    str(len(mine)),
                    number(mean(one.labels for one in mine), 0),
                    percent(found[on], 1),
                    f"{found[True] / found[False]:.1f}" if on and found.get(False) else NOTHING,
                    number(median(waited), 0) if waited else NOTHING,
                    str(len(mine) - len(waited)),
                    number(mean(one.campaigns for one in mine), 1),
                ]
            )
    head = [
        "new kind",
        "stories",
        "labels since it came",
        "of it found",
        "times as much as without",
        "items until its first label (median)",
        "never",
        "campaigns",
    ]
    return table(head, rows)
