"""What the demo does: how many tickets, how many labels, and the project that it makes of them."""

import json
from dataclasses import dataclass
from pathlib import Path

from scripts.tickets.generator import FRAUD, Ticket, classes, tickets

PROJECT = "tickets"
ANNOTATORS = ("desk-1", "desk-2", "desk-3")
ERROR_RATE = 0.025
# With fewer, too few come by Social for the drift watch to know them.
FEWEST_ITEMS = 2_000

# Another stream of draws than the first tickets have.
_SEED_OF_NEW = 1_000_003


@dataclass(frozen=True)
class Plan:
    """Sizes of one demo.

    Attributes:
        seed: Of the tickets, the project and the annotators' slips.
        items: Tickets at the start.
        new_items: Tickets that come later.
        new_fraud_share: Share of a new kind of fraud among these.
        batch: Items in a batch.
        rounds: Batches to label before the new tickets come.
        rounds_after: Batches to label after the drift campaign.
        window: Items in a window of the drift watch.
        delay_s: An annotator's time for one answer.
    """

    seed: int
    items: int = 4_000
    new_items: int = 800
    new_fraud_share: float = 0.1
    batch: int = 50
    rounds: int = 8
    rounds_after: int = 2
    window: int = 400
    delay_s: float = 0.4

    @property
    def labels_before(self) -> int:
        """Labels after which the new tickets come."""
        return self.rounds * self.batch

    @property
    def labels_after(self) -> int:
        """Further labels after the campaign."""
        return self.rounds_after * self.batch


def full(seed: int, items: int | None) -> Plan:
    """The demo that a person looks at: under four minutes on two cores."""
    return Plan(seed=seed) if items is None else Plan(seed=seed, items=items)


def fast(seed: int, items: int | None) -> Plan:
    """The same story, small enough for a test."""
    return Plan(
        seed=seed,
        items=FEWEST_ITEMS if items is None else items,
        new_items=400,
        new_fraud_share=0.2,
        batch=30,
        rounds=3,
        rounds_after=1,
        window=200,
        delay_s=0.1,
    )


def first_tickets(plan: Plan) -> list[Ticket]:
    """The pool at the start."""
    return tickets(plan.items, plan.seed)


def new_tickets(plan: Plan) -> list[Ticket]:
    """Those that come later."""
    return tickets(plan.new_items, plan.seed + _SEED_OF_NEW, plan.new_fraud_share, first=plan.items + 1)


def project_file(plan: Plan) -> str:
    """The project file. Fraud is what is looked for; the two loudest classes and Email are kept in check."""
    return f"""\
task = "single"
classes = {json.dumps(classes())}
seed = {plan.seed}

[selection]
batch_size = {plan.batch}
audit_share = 0.15

[targets]
{FRAUD} = 200

[costs]
{FRAUD} = 5.0

[caps.classes]
billing_question = {plan.batch // 5}
delivery_late = {plan.batch // 5}

[quotas.sources]
Chat = 0.3
Social = 0.2

[[rules]]
name = "talk of theft"
class = "{FRAUD}"
keywords = ["stolen", "did not make", "not mine", "in your name"]

[drift]
reference_items = {plan.items * 3 // 4}
window_items = {plan.window}
campaign_items = {plan.batch}
"""


def write_items(path: Path, some: list[Ticket]) -> None:
    """Write tickets as they come in: without their labels."""
    rows = ({name: value for name, value in ticket.row().items() if name != "label"} for ticket in some)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_answers(path: Path, some: list[Ticket]) -> None:
    """Write what the simulated annotators know."""
    path.write_text(
        "".join(json.dumps({"id": ticket.id, "label": ticket.label}) + "\n" for ticket in some), encoding="utf-8"
    )
