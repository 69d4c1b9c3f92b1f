"""`quietcorner explain`: why an item was chosen, and what is known of it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import InvalidInputError
from shared.labels import LabelJson, classes_of
from workers.commands import edge

if TYPE_CHECKING:
    from rich.table import Table

    from workers.reporting.explanation import Choice, Duplicates, Explanation, Neighbour, Prediction, Standing

_TEXT_SHOWN = 400
_LINE_SHOWN = 200
_NAME_SHOWN = 40


def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    item: Annotated[str, typer.Argument(metavar="ITEM", help="the item's own name, its item_id")],
    neighbours: Annotated[
        int, typer.Option(min=0, max=100, metavar="N", help="labeled items to show, the nearest first")
    ] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, with every reason in full")] = False,
) -> None:
    """Say why an item was chosen, and show the labeled items nearest to it.

    Of an item that was never chosen it tells what is known: label, duplicates,
    and what the model takes it for.

    Example: quietcorner explain tickets t-4711
    """
    from workers.reporting.explanation import explain_item

    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    with database.read() as session:
        found = explain_item(
            session, project_id, config, item, vector_folder=in_force.folder / "vectors", neighbours=neighbours
        )
    if found is None:
        raise InvalidInputError(
            f"{name} has no item {item!r}; `quietcorner batch show {name}` lists those of the newest batch"
        )
    if as_json:
        edge.print_json({"project": name, **_as_json(found)})
        return
    _print(name, found, asked_for_neighbours=neighbours > 0)


def _as_json(found: "Explanation") -> dict[str, object]:
    chosen = [{**asdict(choice), "reason": choice.reason.model_dump()} for choice in found.chosen]
    return {**asdict(found), "chosen": chosen}


def _print(name: str, found: "Explanation", *, asked_for_neighbours: bool) -> None:
    from rich.console import Console

    from workers.reporting.plain import one_line

    console = Console(highlight=False)
    console.print(f"{name}, {_name(found.item_id)} from {_name(found.source)}:", markup=False)
    console.print(f"  {one_line(found.text, longest=_TEXT_SHOWN)}", markup=False)
    for line in _facts(found):
        console.print(line, markup=False)
    if found.neighbours:
        console.print("\nThe nearest labeled items:")
        console.print(_table(found.neighbours))
    elif found.embedded and asked_for_neighbours:
        console.print("No other item is labeled that could be compared with it.")


def _facts(found: "Explanation") -> Iterator[str]:
    """What is known, a line each."""
    yield from map(_choice, found.chosen)
    if not found.chosen:
        yield _never_chosen(found)
    if found.label is None:
        yield "It has no label."
    else:
        yield _standing(found.label)
    if found.duplicates is not None:
        yield from _duplicates(found.item_id, found.duplicates)
    if found.rules:
        yield f"Seeding rules that found it: {', '.join(map(_name, found.rules))}."
    if found.prediction is not None:
        yield _prediction(found.prediction)
    elif found.embedded:
        yield "There is no model yet."


def _choice(choice: "Choice") -> str:
    states = choice.states
    state = states[0] if len(states) == 1 else f"{states.count('done')} of {len(states)} done"
    return f"Chosen in round {choice.round} at rank {choice.reason.rank} ({state}): {_line(choice.why)}"


def _never_chosen(found: "Explanation") -> str:
    if not found.embedded:
        return "It was never chosen: it has no vector yet, which a round needs to look at it."
    if found.duplicates is not None and found.duplicates.representative != found.item_id:
        return f"It was never chosen: {_name(found.duplicates.representative)} is queued in its place."
    if found.label is not None:
        return "It was never chosen: its label came unasked."
    return "It was never chosen."


def _standing(label: "Standing") -> str:
    if label.answers == 1:
        return f"Its label is {_label(label.value)}, from one answer."
    return f"Its label is {_label(label.value)}; {label.agreement:.0%} of {label.answers:,} answers agree."


def _duplicates(item_id: str, duplicates: "Duplicates") -> Iterator[str]:
    who = "it" if duplicates.representative == item_id else _name(duplicates.representative)
    yield f"{duplicates.items:,} items say the same or nearly so; {who} stands for all of them."
    if duplicates.labeled:
        labels = (f"{_name(other)} as {_label(label)}" for other, label in duplicates.labeled.items())
        yield f"Labeled among them: {', '.join(labels)}."


def _prediction(prediction: "Prediction") -> str:
    decided = _listed(prediction.classes) if prediction.classes else "no class"
    return f"Model version {prediction.model} now says {decided}: {_probabilities(prediction.probabilities)}."


def _probabilities(probabilities: Mapping[str, float]) -> str:
    return ", ".join(f"{_name(name)} {probability:.1%}" for name, probability in probabilities.items())


def _label(label: LabelJson) -> str:
    classes = classes_of(label)
    return _listed(classes) if classes else "no class"


def _listed(names: list[str]) -> str:
    return ", ".join(map(_name, names))


def _name(name: str) -> str:
    return _line(name, longest=_NAME_SHOWN)


def _line(text: str, *, longest: int = _TEXT_SHOWN) -> str:
    from workers.reporting.plain import one_line

    return one_line(text, longest=longest)


def _table(neighbours: "list[Neighbour]") -> "Table":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), expand=True)  # or the text takes the other columns' place
    table.add_column("cosine", justify="right", no_wrap=True)
    table.add_column("label", overflow="fold")
    table.add_column("item, source, and text", ratio=1, min_width=20)
    for one in neighbours:
        named = Text.assemble((_line(one.item_id), "bold"), "  ", _line(one.source), overflow="fold")
        text = Text(_line(one.text, longest=_LINE_SHOWN), no_wrap=True, overflow="ellipsis")
        table.add_row(f"{one.cosine:.3f}", Text(_label(one.label)), Group(named, text))
    return table
