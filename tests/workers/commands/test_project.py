"""`quietcorner project`: the example file, making projects, listing and showing them."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlmodel import col, select

from shared import lanes
from shared.database import Database
from shared.project import ProjectConfig, parse_project
from shared.repository.projects import create_project
from shared.tables import Lane, Project
from tests.workers.commands.command_line import CommandLine, cli
from workers.commands.project import project_file

__all__ = ["cli"]

EXAMPLE = files("workers.commands").joinpath("project_example.toml").read_text(encoding="utf-8")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "project.toml"
    path.write_text('classes = ["a", "b"]\n[selection]\nbatch_size = 20\n', encoding="utf-8")
    return path


def options(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The dotted name of every option; those of a section inside a mapping or list follow its own name."""
    for name, field in model.model_fields.items():
        path = prefix + (field.alias or name)
        nested = list(sections(field.annotation))
        if not nested or is_mapping(field.annotation):
            yield path
        for section in nested:
            yield from options(section, f"{path}.")


def sections(annotation: object) -> Iterator[type[BaseModel]]:
    """The models inside a field's annotation that are sections of the file."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from sections(part)


def is_mapping(annotation: object) -> bool:
    return get_origin(annotation) is dict


def explained_options(example: str) -> dict[str, str]:
    """Dotted name of each table and key -> what the comment before it says; for a table, of its first key."""
    found: dict[str, str] = {}
    table = comment = ""
    for line in example.splitlines():
        if header := re.fullmatch(r"\[+([\w.]+)\]+", line):
            table, comment = header[1], ""
        elif option := re.match(r"(?:# )?(\w+) = (.*)", line):
            found.setdefault(table, comment)
            path = f"{table}.{option[1]}".removeprefix(".")
            for inner in ("", *re.findall(r"(\w+) = ", option[2])):
                found.setdefault(f"{table}.{inner}" if inner else path, comment)
            comment = ""
        else:
            comment = f"{comment} {line[2:]}".strip() if line.startswith("# ") else ""
    return found


def test_the_example_is_a_valid_project_file() -> None:
    config = parse_project(EXAMPLE, origin="the example")

    assert [rule.name for rule in config.rules] == ["fraud words", "card number", "like fraud", "risk model"]


def test_the_example_with_its_commented_options_is_valid_too() -> None:
    config = parse_project(re.sub(r"^# (\w+ = )", r"\1", EXAMPLE, flags=re.MULTILINE), origin="the example")

    assert (config.batch_trigger.new_labels, config.batch_trigger.after_s) == (100, 3600.0)


@pytest.mark.parametrize("option", sorted(set(options(ProjectConfig))))
def test_every_option_stands_in_the_example_with_a_sentence_before_it(option: str) -> None:
    sentence = explained_options(EXAMPLE)[option]

    assert sentence.endswith(".")
    assert len(sentence.split()) >= 4


def test_the_values_that_the_example_calls_defaults_are_the_defaults() -> None:
    example = parse_project(EXAMPLE, origin="the example")
    plain = ProjectConfig(classes=example.classes)

    for name in (
        "task",
        "seed",
        "encoder",
        "near_duplicate_cosine",
        "training",
        "selection",
        "batch_trigger",
        "queue",
        "drift",
    ):
        assert getattr(example, name) == getattr(plain, name)


def test_init_writes_the_example_and_never_over_another_file(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "my.toml"

    assert cli("project", "init", path).code == 0
    assert path.read_text(encoding="utf-8") == EXAMPLE
    path.write_text("mine", encoding="utf-8")
    again = cli("project", "init", path)

    assert again.code == 2
    assert "the file exists" in again.err
    assert path.read_text(encoding="utf-8") == "mine"


def test_init_says_that_it_cannot_write(cli: CommandLine, tmp_path: Path) -> None:
    run = cli("project", "init", tmp_path / "no such folder" / "project.toml")

    assert run.code == 2
    assert "can't be written" in run.err


def test_the_example_makes_a_project_with_its_lanes(cli: CommandLine, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "project.toml"
    cli("project", "init", path)

    assert cli("project", "create", "tickets", "--config", path).code == 0

    with database.read() as session:
        project = session.exec(select(Project)).one()
        rooms = session.exec(select(Lane.room).where(col(Lane.project_id) == project.id)).all()
    assert ProjectConfig.model_validate(project.config) == parse_project(EXAMPLE, origin="the example")
    assert sorted(rooms) == sorted(lanes.ROOMS)


@pytest.mark.parametrize(
    ("classes", "told"),
    [('["fraud"]', 'as in ["fraud", "other"]'), ('["fraud", " fraud"]', "' fraud' begins or ends with a space")],
)
def test_classes_that_can_not_be_told_apart_make_no_project(
    classes: str, told: str, cli: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "project.toml"
    path.write_text(f"classes = {classes}\n", encoding="utf-8")
    run = cli("project", "create", "tickets", "--config", path)
    assert run.code == 2
    assert told in run.err
    assert "no project yet" in cli("project", "list").out


def test_a_project_of_one_class_from_before_can_still_be_changed(
    cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    with database.write() as session:
        assert create_project(session, "old", ProjectConfig(classes=("only",)))
    path = tmp_path / "project.toml"
    path.write_text('classes = ["only"]\nselection.batch_size = 7\n', encoding="utf-8")
    assert cli("project", "update", "old", "--config", path).code == 0


def test_making_a_project_again_from_the_same_file_does_nothing(
    cli: CommandLine, database: Database, config: Path
) -> None:
    cli("project", "create", "tickets", "--config", config)

    again = cli("project", "create", "tickets", "--config", config)

    assert again.code == 0
    assert "nothing to do" in again.out
    with database.read() as session:
        assert len(session.exec(select(Project)).all()) == 1


def test_making_it_again_from_another_file_names_what_differs(cli: CommandLine, config: Path) -> None:
    cli("project", "create", "tickets", "--config", config)
    config.write_text('classes = ["a", "b"]\nseed = 3\n[targets]\nb = 5\n', encoding="utf-8")

    again = cli("project", "create", "tickets", "--config", config)

    assert again.code == 2
    assert "seed = 3; the project has 0" in again.err
    assert "selection.batch_size = 50; the project has 20" in again.err
    assert "targets.b = 5; the project has nothing" in again.err


def test_two_who_make_a_project_at_the_same_time_get_one(database: Database) -> None:
    plain = ProjectConfig(classes=("a",))

    def create(_: int) -> bool:
        with database.write() as session:
            return create_project(session, "tickets", plain)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(create, range(8))) == [False] * 7 + [True]
    with database.read() as session:
        assert len(session.exec(select(Lane)).all()) == len(lanes.ROOMS)


def test_a_name_that_is_not_allowed_is_refused_and_the_rule_is_told(cli: CommandLine, config: Path) -> None:
    for name in ("", "Tickets", "-a", "_a", "a b", "a" * 65, "é", "a\n", "a/b"):
        run = cli("project", "create", "--config", config, "--", name)

        assert run.code == 2
        assert f"name = {name!r}: 1 to 64 small letters" in run.err


def test_a_wrong_file_is_refused_with_key_value_and_what_is_allowed(cli: CommandLine, config: Path) -> None:
    for content, fault in (
        ("classes = []", "classes = []: "),
        ('classes = ["a"]\nbatch = 3', "batch = 3: "),
        ('classes = ["a"]\n[selection]\nbatch_size = 0', "selection.batch_size = 0: Input should be greater than"),
        ('classes = ["a"]\n[targets]\nb = 1', "targets names 'b', which is not in classes: a"),
        ('classes = ["a"]\n[error_costs]\na = {b = 1}', "error_costs names 'b', which is not in classes: a"),
        ('task = "multi"\nclasses = ["a", "b"]\n[error_costs]\na = {b = 1}', 'error_costs needs task = "single"'),
        ('classes = ["a"]\n[error_costs]\na = {a = 1}', "a right decision costs nothing"),
        ('classes = ["a"]\nrules = [{name = "r", class = "a", pattern = "("}]', "not a regular expression"),
        ('classes = ["a"]\nrules = [{name = "r", class = "a"}]', "give exactly one of keywords"),
        ('classes = ["a"]\nrules = [{name = "r", class = "a", hint = "h", description = "d"}]', "give exactly one of"),
        ('classes = ["a"]\nrules = [{name = "r", class = "a", description = " "}]', "blank; say in a sentence"),
        ('classes = ["a"]\nrules = [{name = "r", class = "a", pattern = "x", at_least = 1}]', "at_least belongs to"),
        ('classes = ["a"]\nrules = [{name = "r", class = "a", hint = "h", at_least = nan}]', "finite number"),
        ("classes", "not valid TOML"),
    ):
        config.write_text(content, encoding="utf-8")

        run = cli("project", "create", "tickets", "--config", config)

        assert run.code == 2
        assert str(config) in run.err
        assert fault in run.err


def test_a_missing_file_is_refused(cli: CommandLine, tmp_path: Path) -> None:
    run = cli("project", "create", "tickets", "--config", tmp_path / "none.toml")

    assert run.code == 2
    assert "none.toml: can't be read" in run.err


def test_projects_are_listed_by_name_for_people_and_machines(cli: CommandLine, config: Path) -> None:
    assert "no project yet" in cli("project", "list").out
    assert json.loads(cli("project", "list", "--json").out) == []
    for name in ("b-2", "a_1"):
        cli("project", "create", name, "--config", config)

    lines = cli("project", "list").out.splitlines()
    listed = json.loads(cli("project", "list", "--json").out)

    assert [line.split(":")[0] for line in lines] == ["a_1", "b-2"]
    assert [(one["name"], one["task"], one["classes"]) for one in listed] == [
        ("a_1", "single", ["a", "b"]),
        ("b-2", "single", ["a", "b"]),
    ]


def test_a_project_is_shown_with_its_defaults(cli: CommandLine, config: Path) -> None:
    cli("project", "create", "tickets", "--config", config)

    shown = json.loads(cli("project", "show", "tickets", "--json").out)
    file = cli("project", "show", "tickets").out

    assert shown["name"] == "tickets"
    assert ProjectConfig.model_validate(shown["config"]) == parse_project(config.read_text(), origin="")
    assert parse_project(file, origin="") == parse_project(config.read_text(), origin="")
    assert "batch_size = 20" in file
    assert "lease_s = 600.0" in file


def test_what_is_shown_makes_a_project_and_changes_none(cli: CommandLine, tmp_path: Path) -> None:
    example, shown = tmp_path / "example.toml", tmp_path / "shown.toml"
    example.write_text(EXAMPLE, encoding="utf-8")
    cli("project", "create", "tickets", "--config", example)
    shown.write_text(cli("project", "show", "tickets").out, encoding="utf-8")

    assert "nothing to change" in cli("project", "update", "tickets", "--config", shown).out
    assert cli("project", "create", "another", "--config", shown).code == 0
    assert cli("project", "show", "another").out == shown.read_text(encoding="utf-8")


_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_WORDS = st.sampled_from(["card", "credit card", 'a "b"', "dotted.name", "é"])
_SHARES = st.floats(0, 1)
_COUNTS = st.integers(0, 2**70)


@st.composite
def configs(draw: st.DrawFn) -> ProjectConfig:
    """Configurations with sections of all kinds, and with names that need quotes."""
    classes = draw(st.lists(_NAMES, min_size=1, max_size=4, unique=True))
    of_class = st.sampled_from(classes)
    conditions = st.one_of(
        st.fixed_dictionaries({"keywords": st.lists(_NAMES, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"pattern": st.sampled_from([r"\bre+fund\b", 'it\'s "so"', ""])}),
        st.fixed_dictionaries({"description": _NAMES.filter(str.strip)}),
        st.fixed_dictionaries(
            {"hint": _NAMES}, optional={"at_least": st.floats(allow_nan=False, allow_infinity=False)}
        ),
    )
    phrases = st.lists(st.sampled_from(["card", "bank card", 'a "visa"', "back\\slash", "two\nlines"]), min_size=1)
    recipes = st.one_of(
        st.fixed_dictionaries({"kind": st.just("replace"), "words": st.dictionaries(_WORDS, phrases, min_size=1)}),
        st.fixed_dictionaries({"kind": st.just("replace"), "lexicon": _WORDS}),
        st.fixed_dictionaries({"kind": st.just("wordnet"), "classes": st.lists(of_class, max_size=2)}),
        st.fixed_dictionaries({"kind": st.just("translate"), "url": st.just("https://a.example/t")}),
        st.fixed_dictionaries(
            {
                "kind": st.just("templates"),
                "classes": of_class.map(lambda name: [name]),
                "templates": st.just(["A {what}."]),
                "slots": st.fixed_dictionaries({"what": phrases}),
            }
        ),
    )
    rules, made = draw(st.lists(conditions, max_size=3)), draw(st.lists(recipes, max_size=3))
    goals = st.fixed_dictionaries({"recall": _SHARES}, optional={"precision": _SHARES})
    caps = st.one_of(_COUNTS, st.fixed_dictionaries({}, optional={"batch": _COUNTS, "total": _COUNTS}))
    costs = st.floats(1e-6, 1e6)
    matrix = {
        true: {called: draw(costs) for called in draw(st.lists(of_class, unique=True)) if called != true}
        for true in draw(st.lists(of_class, unique=True))
    }
    return ProjectConfig.model_validate(
        {
            "classes": classes,
            "former_classes": draw(st.dictionaries(_NAMES.filter(lambda name: name not in classes), of_class)),
            "targets": draw(st.dictionaries(of_class, _COUNTS)),
            "costs": draw(st.dictionaries(of_class, costs)),
            "error_costs": matrix,
            "goals": draw(st.dictionaries(of_class, goals)),
            "caps": {
                "classes": draw(st.dictionaries(of_class, caps)),
                "sources": draw(st.dictionaries(_NAMES, caps, max_size=2)),
            },
            "quotas": {"sources": draw(st.dictionaries(_NAMES, st.floats(0, 0.5), max_size=2))},
            "batch_trigger": draw(st.fixed_dictionaries({}, optional={"new_labels": st.integers(1), "after_s": costs})),
            "rules": [{**rule, "name": f"rule {place}", "class": draw(of_class)} for place, rule in enumerate(rules)],
            "augmentation": {"recipes": [{**recipe, "name": f"{place} words"} for place, recipe in enumerate(made)]},
        }
    )


@settings(max_examples=200)
@given(configs())
def test_every_configuration_reads_back_from_its_file(config: ProjectConfig) -> None:
    assert parse_project(project_file(config), origin="") == config


def test_a_project_that_is_not_there_cannot_be_shown(cli: CommandLine) -> None:
    assert cli("project", "show", "nothing").code == 3
