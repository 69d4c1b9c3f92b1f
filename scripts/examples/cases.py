"""The two examples: their messages, their project files, their budgets."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from textwrap import fill

from scripts.examples.abuse import ABUSE, ORDINARY, messages
from scripts.tickets import Ticket, tickets
from scripts.tickets.generator import FRAUD, classes
from shared.project import ProjectConfig, parse_project

Make = Callable[[int, int], list[Ticket]]
"""Makes so many messages, of such a seed."""

# Messages that models are tested on come of another stream of draws, so that none repeats one of the pool.
_SEED_OF_TEST = 3_000_017


@dataclass(frozen=True)
class Case:
    """One example.

    Attributes:
        name: of the project.
        title: of its page.
        question: what is asked.
        rare: the class that is looked for.
        prior: the share of it that is given to the plan.
        to_double: whether wave 2 is to double what wave 1 found.
        waves: labels of each wave, the last of which the others after the first equal.
        make: makes the messages.
        project_file: as a user writes it, but for the seed.
    """

    name: str
    title: str
    question: str
    rare: str
    prior: float
    to_double: bool
    waves: tuple[int, ...]
    make: Make
    project_file: str

    def pool(self, items: int, seed: int) -> list[Ticket]:
        """The messages that may be labeled."""
        return self.make(items, seed)

    def test(self, items: int, seed: int) -> list[Ticket]:
        """Messages that are only tested on, with names of their own."""
        return [replace(ticket, id=f"test-{ticket.id}") for ticket in self.make(items, seed + _SEED_OF_TEST)]

    def with_waves(self, waves: tuple[int, ...]) -> "Case":
        """The same with other waves, and batches as large as they are."""
        project_file = self.project_file.replace("batch_size = 1000", f"batch_size = {waves[-1]}")
        return replace(self, waves=waves, project_file=project_file)

    def config(self, seed: int) -> ProjectConfig:
        """The project with a seed."""
        return parse_project(self.project_file, origin=self.name).model_copy(update={"seed": seed})


TICKETS = Case(
    name="tickets",
    title="2,000 labels for 20,000 tickets",
    question=(
        "20,000 support tickets come from Email (60 %), Chat (30 %) and Social (10 %). About 2 % are fraud, which is "
        "scarce in Email. There is a budget of 2,000 labels; the first wave is to be 1,000. What should be labeled?"
    ),
    rare=FRAUD,
    prior=0.02,
    to_double=False,
    waves=(1_000, 1_000),
    make=tickets,
    project_file=f"""\
task = "single"
classes = [
{fill(json.dumps(classes())[1:-1], width=100, initial_indent="  ", subsequent_indent="  ")}
]

[selection]
batch_size = 1000

[targets]
{FRAUD} = 300

[[rules]]
name = "talk of theft"
class = "{FRAUD}"
keywords = ["fraud", "scam", "stolen", "did not make", "not mine", "not me", "in your name"]

[[rules]]
name = "like theft"
class = "{FRAUD}"
description = "Somebody used my card or my account without my knowledge."
""",
)

ABUSE_CASE = Case(
    name="abuse",
    title="Three waves for 1 % of abuse",
    question=(
        "20,000 messages to a support desk, 1 % of them abusive. Three waves of 1,000 labels are to double what is "
        "found of the abuse by wave 2, without harming diversity: not more of the same, but all kinds of it."
    ),
    rare=ABUSE,
    prior=0.01,
    to_double=True,
    waves=(1_000, 1_000, 1_000),
    make=messages,
    project_file=f"""\
task = "single"
classes = ["{ABUSE}", "{ORDINARY}"]

[selection]
batch_size = 1000

[targets]
{ABUSE} = 200

[[rules]]
name = "rude words"
class = "{ABUSE}"
keywords = ["idiot", "idiots", "moron", "stupid", "dumb", "fool", "fools", "loser", "losers", "rude", "joke"]
""",
)

CASES = {case.name: case for case in (TICKETS, ABUSE_CASE)}
