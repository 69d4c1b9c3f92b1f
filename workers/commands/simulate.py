"""`quietcorner simulate`: replays a labeled file, so that a strategy can be judged before anybody labels."""

import json
import os
import sys
import time
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from shared.descriptions import description_texts
from shared.errors import ConfigError, InvalidInputError
from shared.project import ProjectConfig, Rule, explain, read_project
from workers.commands import edge
from workers.embedding.encoders import PACKAGED, load_encoder
from workers.intake.rules import hint_columns
from workers.simulation.dataset import Dataset, LabeledColumns, read_dataset

if TYPE_CHECKING:
    from shared.settings import Settings
    from shared.vectors import VectorTable
    from workers.embedding.encoders import Encoder
    from workers.simulation.preparation import ReplayData
    from workers.simulation.replay import RoundReport

_SHOWN_CLASSES = 10


class Strategy(StrEnum):
    """How batches are chosen; the names are those of `workers.selection.strategies.STRATEGIES`."""

    QUIETCORNER = "quietcorner"
    RANDOM = "random"
    ENTROPY = "entropy"
    MARGIN = "margin"


def simulate(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="labeled rows: .jsonl, .ndjson, .csv, .tsv (or .gz) or .parquet")
    ],
    strategy: Annotated[Strategy, typer.Option(help="how batches are chosen")] = Strategy.QUIETCORNER,
    init: Annotated[int, typer.Option(min=1, metavar="N", help="labels of the first round, which has no model")] = 50,
    batch: Annotated[int, typer.Option(min=1, max=100_000, metavar="B", help="labels of each later round")] = 50,
    rounds: Annotated[int, typer.Option(min=1, metavar="R", help="rounds, the first included")] = 10,
    rare: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS,...", help="rare classes; those with under half of an even share of the labels if not given"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="seed of the split and of every choice")] = 0,
    rules: Annotated[
        Path | None, typer.Option(metavar="TOML", help="a file with the seeding rules, written as in a project file")
    ] = None,
    config_path: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="TOML",
            help="a project file with rules, costs, goals, caps and options of training; --seed, --batch and --encoder "
            "stand for its own, and it augments nothing",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=COLUMN",
            help="where a field stands, as in label=category, or label=toxic,threat where each is a column of 0 and 1",
        ),
    ] = None,
    encoder: Annotated[str, typer.Option(metavar="NAME", help="sentence encoder: a name or a folder")] = PACKAGED,
    json_path: Annotated[
        str | None, typer.Option("--json", metavar="PATH", help="write one JSON object a round; - for standard output")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="where the learning curve goes; without --json ./simulate-FILE.png"),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="where vectors are kept between runs; the user's cache folder")
    ] = None,
) -> None:
    """Replay a labeled file: choose, look up the labels, train, measure, and so on.

    A row needs a text and a label: a class, a list of classes, or tokens with BIO2 tags (then the entity classes that
    occur in the text are predicted, as for a list of classes); it may have the scores that the rules read. Rows with
    split = test are the test set; without any, a quarter is split off. The same core chooses as in a live project.
    """
    # scikit-learn warns of classes with few examples, which are what this is about.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"sklearn\.")
    in_force = edge.settings()
    picture = plot or (None if json_path else Path(f"simulate-{Path(file.name.removesuffix('.gz')).stem}.png"))
    notes = Console(stderr=json_path is not None, highlight=False)
    if rules and config_path:
        raise InvalidInputError("--rules and --config exclude each other: a project file holds its rules")
    project = read_project(config_path) if config_path else None
    seeding = project.rules if project else _read_rules(rules) if rules else ()
    dataset = read_dataset(file, replace(LabeledColumns.parse(column or []), hints=hint_columns(seeding)))
    if project and config_path:
        config = _as_planned(project, dataset, origin=config_path, seed=seed, batch=batch, encoder=encoder)
    else:
        config = _config(dataset, seeding, origin=rules or file, seed=seed, batch=batch, encoder=encoder)
    named = _parse_rare(rare, dataset.classes)
    if picture:
        _check_place(picture)
    with _json_lines(json_path) as write:
        loaded = load_encoder(encoder, threads=in_force.compute_threads)
        texts = {row.item.text_key: row.item.text for row in dataset.items} | description_texts(config.rules)
        vectors = _with_progress(texts, loaded, in_force, cache or _user_cache())

        from threadpoolctl import threadpool_limits

        from workers.simulation.preparation import prepare
        from workers.simulation.replay import rare_classes, replay

        with threadpool_limits(limits=1):  # as the workers: small matrices, and sums in one order
            data = prepare(dataset, vectors, config)
            watched = rare_classes(data) if named is None else named
            for line in _describe(dataset, data, watched, named=named is not None):
                notes.print(line, markup=False, soft_wrap=True)
            reports = replay(
                data,
                config,
                strategy=strategy,
                encoder=loaded.key,
                init=init,
                rounds=rounds,
                rare=watched,
                clock=time.perf_counter,
            )
            seen = _write_all(reports, write) if write else _show_all(reports, watched, notes)
    if len(seen) < rounds:
        notes.print(f"ended after round {len(seen)} of {rounds}: no eligible item is left in the pool")
    if not write:
        notes.print(_summary(seen, data, watched, strategy), markup=False, soft_wrap=True)
    if picture:
        from workers.simulation.plot import plot_curve

        title = f"{file.name}: {strategy}, seed {seed}"
        plot_curve(seen, rare=watched, pool=len(data.pool), title=title, path=picture)
        notes.print(f"learning curve: {picture}", markup=False, soft_wrap=True)


def _config(
    dataset: Dataset, rules: Sequence[Rule], *, origin: Path, seed: int, batch: int, encoder: str
) -> ProjectConfig:
    try:
        return ProjectConfig.model_validate(
            {
                "task": dataset.task,
                "classes": dataset.classes,
                "seed": seed,
                "encoder": encoder,
                "selection": {"batch_size": batch},
                "rules": rules,
            }
        )
    except ValidationError as error:
        raise ConfigError(f"{origin}:\n{explain(error)}") from error


def _as_planned(
    project: ProjectConfig, dataset: Dataset, *, origin: Path, seed: int, batch: int, encoder: str
) -> ProjectConfig:
    """The project of a project file, with what the options of the command stand for."""
    if project.task != dataset.task:
        raise ConfigError(
            f"{origin}: task = {project.task.value!r}, but the file's labels call for {dataset.task.value!r}"
        )
    if unlike := sorted(set(project.classes) ^ set(dataset.classes)):
        where = "project file" if unlike[0] in project.classes else "labeled file"
        raise ConfigError(f"{origin}: only the {where} has a class {unlike[0]!r}. Both must have the same classes.")
    selection = project.selection.model_copy(update={"batch_size": batch})
    return project.model_copy(update={"seed": seed, "encoder": encoder, "selection": selection})


class _RulesFile(BaseModel):
    rules: tuple[Rule, ...]


def _read_rules(path: Path) -> tuple[Rule, ...]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}. A TOML file with [[rules]] is expected.") from error
    other = sorted(set(content) - {"rules"})
    if other or "rules" not in content:
        raise ConfigError(
            f"{path}: [[rules]] and nothing else is expected" + (f"; it also holds {', '.join(other)}" if other else "")
        )
    try:
        return _RulesFile.model_validate(content).rules
    except ValidationError as error:
        raise ConfigError(f"{path}:\n{explain(error)}") from error


def _parse_rare(rare: str | None, classes: Sequence[str]) -> tuple[str, ...] | None:
    if rare is None:
        return None
    named = tuple(dict.fromkeys(name.strip() for name in rare.split(",") if name.strip()))
    unknown = [name for name in named if name not in classes]
    if unknown or not named:
        wrong = f"unknown class {unknown[0]!r}" if unknown else "no class is named"
        raise InvalidInputError(f"--rare {rare}: {wrong}; the file's classes are: {', '.join(classes)}")
    return named


@contextmanager
def _json_lines(path: str | None) -> Iterator[Callable[[dict[str, Any]], None] | None]:
    """A function that writes one JSON object a line, at once; None when nobody asked for JSON."""
    if path is None:
        yield None
    elif path == "-":
        yield lambda value: _write_line(sys.stdout, value)
    else:
        try:
            stream = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - only the opening is guarded; see below
        except OSError as error:
            raise InvalidInputError(f"{path}: can't be written: {error}. Give another place: --json") from error
        with stream:
            yield lambda value: _write_line(stream, value)


def _check_place(picture: Path) -> None:
    """Find out before the replay whether its picture can be written. Raises `InvalidInputError`."""
    there = picture.exists()
    try:
        picture.open("ab").close()
    except OSError as error:
        raise InvalidInputError(f"{picture}: can't be written: {error}. Give another place: --plot") from error
    if not there:
        picture.unlink()


def _write_line(stream: TextIO, value: dict[str, Any]) -> None:
    stream.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
    stream.flush()


def _user_cache() -> Path:
    """By the XDG Base Directory Specification, which says that a relative path is to be ignored."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "quietcorner"


def _with_progress(texts: Mapping[int, str], encoder: "Encoder", in_force: "Settings", folder: Path) -> "VectorTable":
    from workers.simulation.embeddings import cached_vectors

    with Progress(
        TextColumn("embedding"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("texts, {task.fields[rate]:,.0f} texts/s, left:"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        task = progress.add_task("embedding", total=None, visible=False, rate=0.0)
        started = time.monotonic()

        def advance(done: int, of: int) -> None:
            rate = done / max(time.monotonic() - started, 1e-9)
            progress.update(task, completed=done, total=of, visible=True, rate=rate)

        return cached_vectors(texts, encoder=encoder, folder=folder, settings=in_force, advance=advance)


def _describe(dataset: Dataset, data: "ReplayData", rare: Sequence[str], *, named: bool) -> Iterator[str]:
    as_what = " (entity classes of a text as its labels)" if dataset.task == "ner" else ""
    yield (
        f"{dataset.task}{as_what}, {len(dataset.classes)} classes: {len(data.pool):,} items in the pool, "
        f"{len(data.test.item_ids):,} in the test set"
    )
    if dataset.rejected:
        first = dataset.rejected[0]
        yield f"{len(dataset.rejected):,} row(s) rejected, the first at line {first.line}: {first.reason}"
    if data.left_out:
        yield f"{data.left_out:,} test row(s) left out: a duplicate or a row of the same group is in the pool"
    if rare:
        more = f" and {len(rare) - _SHOWN_CLASSES} more" if len(rare) > _SHOWN_CLASSES else ""
        why = "as named" if named else "under half of an even share of the pool's labels"
        yield f"rare classes ({why}): {', '.join(rare[:_SHOWN_CLASSES])}{more}"
    else:
        yield "rare classes: none has under half of an even share of the pool's labels; name some with --rare"


def _write_all(reports: "Iterator[RoundReport]", write: Callable[[dict[str, Any]], None]) -> "list[RoundReport]":
    seen = []
    for report in reports:
        write(report.as_json())
        seen.append(report)
    return seen


def _show_all(reports: "Iterator[RoundReport]", rare: Sequence[str], console: Console) -> "list[RoundReport]":
    table = Table("round", "labels", "macro-F1", "macro PR-AUC", "rare F1", "rare found", "seconds")
    for column in table.columns:
        column.justify = "right"
    seen = []
    with Live(table, console=console, auto_refresh=False, transient=True) as live:
        for report in reports:
            table.add_row(
                str(report.round),
                f"{report.labels:,}",
                _number(report.macro_f1),
                _number(report.macro_pr_auc),
                _number(report.rare_f1(rare)),
                _percent(report.rare_recall_found),
                f"{report.train_s + report.select_s:.2f}",
            )
            live.refresh()
            seen.append(report)
    console.print(table)  # whole, however short the screen is, and also where nothing can be redrawn
    return seen


def _summary(seen: "list[RoundReport]", data: "ReplayData", rare: Sequence[str], strategy: str) -> str:
    last = seen[-1]
    share = last.labels / len(data.pool)
    found = (
        f", {_percent(last.rare_recall_found)} of the rare items found" if last.rare_recall_found is not None else ""
    )
    return (
        f"{strategy}: {last.labels:,} labels ({share:.1%} of the pool, which is what random labeling finds): "
        f"macro-F1 {_number(last.macro_f1)}, F1 of rare classes {_number(last.rare_f1(rare))}{found}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
