"""`quietcorner plan`: what a budget of labels would be spent on, wave by wave, and what that should bring."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.errors import InvalidInputError
from shared.project import ProjectConfig
from workers.commands import edge

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from shared.settings import Settings
    from workers.selection.expectation import Expected
    from workers.selection.plans import LabelingPlan

_MOST_ROWS = 50
_NAME_SHOWN = 40
_LINE_SHOWN = 1_000


def plan(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    budget: Annotated[int, typer.Option(metavar="N", help="labels that are to be had in all")],
    waves: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...", help="labels of each wave, at most the budget together; two halves if left out"
        ),
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=SHARE", help="your guess of a class's share of the pool, as in fraud=0.02; repeatable"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Plan a budget of labels: what each wave would hold, and what it should bring.

    It changes nothing. A guess of a class's share counts until there are labels,
    and is then weighed against what they tell.
    """
    in_force = edge.settings()
    made, config = _plan(in_force, name, budget, _parse_waves(waves, budget), _parse_guesses(prior or []))
    if as_json:
        edge.print_json(_as_json(name, made, config))
        return
    _print(name, made, config)


def _plan(
    in_force: "Settings", name: str, budget: int, waves: list[int], guesses: dict[str, float]
) -> "tuple[LabelingPlan, ProjectConfig]":
    from shared.arrays import load_arrays
    from shared.repository import pools, rounds
    from shared.repository.audit import load_scorers
    from workers.selection.plans import check_request, make_plan
    from workers.selection.rehearsal import Stage
    from workers.selection.stability import COMPARED
    from workers.training import bands, model_storage, prior_shift
    from workers.training.tuning import train

    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    check_request(config, budget=budget, waves=waves, guesses=guesses)
    with database.read() as session:
        encoder = pools.encoder_in_use(session, project_id) or ""
        pool = pools.load_pool(session, project_id=project_id, config=config, vector_folder=in_force.folder / "vectors")
        last = rounds.last_round(session, project_id)
        stored = rounds.newest_models(session, project_id, encoder=encoder, count=COMPARED)
        scorers = [bands.load(blob) for blob in load_scorers(session, project_id, encoder=encoder)]
    if not len(pool):
        raise InvalidInputError(
            f"{name} has no item with a vector, so there is nothing to plan with. `quietcorner ingest {name} FILE` "
            "brings items in, and `quietcorner up` embeds them."
        )
    earlier = [model_storage.load(blob) for blob in stored]
    model = train(pool, config, previous=earlier[-1] if earlier else None)
    model, _ = prior_shift.carried(model, load_arrays(stored[-1])[1] if stored else {})
    stage = Stage(
        round=last.number,
        model=last.model,
        audit=last.audit or {},
        encoder=encoder,
        scorers=scorers,
        earlier=earlier,
    )
    return make_plan(pool, model, config, stage=stage, budget=budget, waves=waves, guesses=guesses), config


def _parse_waves(waves: str | None, budget: int) -> list[int]:
    if waves is None:
        return [budget] if budget < 2 else [budget - budget // 2, budget // 2]
    try:
        return [int(part) for part in waves.split(",")]
    except ValueError as error:
        raise InvalidInputError(
            f"--waves {waves}: numbers with commas between are expected, as in 1000,1000"
        ) from error


def _parse_guesses(given: Sequence[str]) -> dict[str, float]:
    guesses: dict[str, float] = {}
    for one in given:
        name, _, value = one.rpartition("=")
        if name in guesses:
            raise InvalidInputError(
                f"--prior {one}: {name} was given before as {guesses[name]:g}; give one share of it"
            )
        try:
            guesses[name] = float(value)
        except ValueError as error:
            raise InvalidInputError(f"--prior {one}: a class and its share are expected, as in fraud=0.02") from error
    return guesses


def _as_json(name: str, made: "LabelingPlan", config: ProjectConfig) -> dict[str, Any]:
    from workers.reporting import plans

    document = asdict(made)
    for wave, written in zip(made.waves, document["waves"], strict=True):
        written |= asdict(plans.wave_notes(made, wave))
    notes = {
        "known": plans.what_is_known(made),
        "quotas": plans.quotas_explained(made),
        "batches": plans.batches_explained(made),
        "would_change_any": plans.changes_at_any_time(made, config.targets),
    }
    return {"project": name, **document, "notes": notes}


def _print(name: str, made: "LabelingPlan", config: ProjectConfig) -> None:
    from rich.console import Console

    from workers.reporting import plans

    console = Console(highlight=False)
    _say(console, f"{name}: {plans.opening(made)}", *plans.what_is_known(made))
    console.print()
    console.print(_sources(made))
    _say(console, *plans.quotas_explained(made), *plans.batches_explained(made))
    console.print()
    console.print(_channels(made))
    console.print()
    console.print(_expected(made))
    if made.rules:
        console.print()
        console.print(_rules(made))
    for wave in made.waves:
        notes = plans.wave_notes(made, wave)
        console.print(f"\nWave {wave.number}", style="bold")
        _say(console, *notes.assumed)
        for heading, lines in (
            ("Measured after it:", notes.measured_after),
            ("What would change the next one:", notes.would_change_the_next),
        ):
            if lines:
                _say(console, heading, *(f"- {line}" for line in lines))
    console.print("\nWhat would change any wave", style="bold")
    _say(console, *(f"- {line}" for line in plans.changes_at_any_time(made, config.targets)))


def _say(console: "Console", *lines: str) -> None:
    from workers.reporting.plain import one_line

    for line in lines:
        console.print(one_line(line, longest=_LINE_SHOWN), markup=False)


def _sources(made: "LabelingPlan") -> "Table":
    kept = "quota" if not made.proposed else "proposed"
    table = _table("source", "items", *(f"wave {wave.number} ({kept})" for wave in made.waves))
    for source in sorted(made.sources, key=lambda source: -source.items)[:_MOST_ROWS]:
        cells = (f"{wave.sources[source.name]:,} ({wave.quotas[source.name]:,})" for wave in made.waves)
        table.add_row(_name(source.name), f"{source.items:,}", *cells)
    _say_what_is_left(table, len(made.sources))
    return table


def _channels(made: "LabelingPlan") -> "Table":
    table = _table("channel", *(f"wave {wave.number}" for wave in made.waves))
    names = dict.fromkeys(channel for wave in made.waves for channel in wave.channels)
    for channel in names:
        table.add_row(channel, *(f"{wave.channels.get(channel, 0):,}" for wave in made.waves))
    table.add_row("in all", *(f"{wave.chosen:,}" for wave in made.waves), style="bold")
    return table


def _expected(made: "LabelingPlan") -> "Table":
    table = _table(
        "expected (95 %)", "labels now", *(f"wave {wave.number}" for wave in made.waves), "together", "if random"
    )
    known = {one.name: one for one in made.classes}
    rank = {one.name: -1.0 if one.share is None else 1 - one.share.value for one in made.classes}
    for row in sorted(range(len(made.total)), key=lambda row: -rank[made.total[row].name])[:_MOST_ROWS]:
        total = made.total[row]
        table.add_row(
            _name(total.name),
            f"{known[total.name].labels:,}",
            *(_range(wave.expected[row]) for wave in made.waves),
            _range(total),
            _at_random(total),
        )
    _say_what_is_left(table, len(made.total))
    return table


def _rules(made: "LabelingPlan") -> "Table":
    table = _table(
        "rule", "class", "hits", "left", "precision (95 %)", *(f"in wave {wave.number}" for wave in made.waves)
    )
    for rule in made.rules[:_MOST_ROWS]:
        found = rule.precision
        precision = "no label yet" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
        table.add_row(
            _name(rule.name),
            _name(rule.label),
            f"{rule.hits:,}",
            f"{rule.left:,}",
            precision + (", stopped" if rule.stopped else ""),
            *(f"{wave.rules[rule.name]:,}" for wave in made.waves),
        )
    _say_what_is_left(table, len(made.rules))
    return table


def _range(one: "Expected") -> str:
    interval = f"{one.low:,} to {one.high:,}"
    return interval if one.value is None else f"{one.value:,.0f} ({interval})"


def _at_random(one: "Expected") -> str:
    found = one.at_random
    return "unknown" if found is None else f"{found.value:,.0f} ({found.low:,.0f} to {found.high:,.0f})"


def _table(first: str, *others: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _say_what_is_left(table: "Table", rows: int) -> None:
    from rich.text import Text

    if rows > _MOST_ROWS:
        table.add_row(Text(f"and {rows - _MOST_ROWS:,} more (--json shows all)", style="dim"))


def _name(name: str) -> Any:
    from rich.text import Text

    from workers.reporting.plain import one_line

    return Text(one_line(name, longest=_NAME_SHOWN))
