"""A project's configuration changes with its labels and its rule hits, all or nothing."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlmodel import col, select

from shared import lanes
from shared.contracts import SubmissionMessage
from shared.database import Database
from shared.errors import ConfigError, LeaseLostError
from shared.labels import LabelJson, classes_of
from shared.project import ProjectConfig
from shared.repository import projects, submissions
from shared.repository.projects import create_project, stored_config
from shared.settings import Settings
from shared.tables import Item, Label, Model, Project, RuleHit, Submission
from tests.rounds import Rounds
from tests.workers.commands.command_line import CommandLine, cli
from workers.intake.answers import take_answers
from workers.intake.reconfiguring import Reconfigured, reconfigure
from workers.intake.rows import Columns, parse_row
from workers.intake.rules import Rules, hint_columns
from workers.intake.storing import store_items
from workers.training import model_storage

__all__ = ["cli"]

TEXTS = ["the card was stolen", "a parcel is late", "the parcel was stolen", "an invoice"]


class Example:
    """The project `p` of four items, `i0` to `i3`, with the scores 0.2, 0.4, 0.6 and 0.8 in the column `risk`."""

    def __init__(self, database: Database, **options: Any) -> None:
        self.database = database
        self.config = ProjectConfig.model_validate({"classes": ("crime", "theft", "other"), **options})
        with database.write() as session:
            assert create_project(session, "p", self.config)
            self.id = session.exec(select(Project.id)).one()
        self.add([(f"i{place}", text, 0.2 * (place + 1)) for place, text in enumerate(TEXTS)])

    def add(self, rows: Sequence[tuple[str, str, float]]) -> None:
        config = self.stored()
        columns = Columns(hints=hint_columns(config.rules))
        items = [
            parse_row({"id": name, "text": text, "risk": risk}, columns=columns, derived={})  # type: ignore[arg-type] # named
            for name, text, risk in rows
        ]
        store_items(self.database, self.id, items, rules=Rules(config.rules), seed=0)

    def stored(self) -> ProjectConfig:
        with self.database.read() as session:
            return stored_config(session, self.id)

    def submit(self, *answers: tuple[str, str, Any], key: str = "") -> list[str]:
        """Answers as (item, annotator, label); the status of each."""
        messages = [
            SubmissionMessage(
                project="p", submission_id=key or f"{item}{who}{label}", item_id=item, annotator=who, label=label
            )
            for item, who, label in answers
        ]
        with self.database.write() as session:
            verdicts = take_answers(session, project_id=self.id, messages=messages, origin="test")
        return [verdict.receipt.status for verdict in verdicts]

    def change(self, moves: dict[str, str] | None = None, *, dry_run: bool = False, **options: Any) -> Reconfigured:
        document = {**self.config.model_dump(mode="json", by_alias=True), **options}
        wanted = ProjectConfig.model_validate(document)
        return reconfigure(self.database, self.id, wanted, moves or {}, dry_run=dry_run, who="tester")

    def labels(self) -> dict[str, tuple[Any, float]]:
        with self.database.read() as session:
            rows = session.exec(select(Item.item_id, Label).join(Label, col(Label.item) == col(Item.id)))
            return {item: (label.value, label.agreement) for item, label in rows}

    def submissions(self) -> list[Any]:
        with self.database.read() as session:
            return list(session.exec(select(Submission.label).order_by(col(Submission.id))))

    def hits(self) -> dict[str, dict[str, float]]:
        with self.database.read() as session:
            rows = session.exec(
                select(RuleHit.rule, Item.item_id, RuleHit.score).join(Item, col(Item.id) == col(RuleHit.item))
            )
            found: dict[str, dict[str, float]] = {}
            for rule, item, score in rows:
                found.setdefault(rule, {})[item] = round(score, 6)
            return found


def test_a_renamed_class_takes_its_labels_along_and_submissions_stay_as_they_came(database: Database) -> None:
    example = Example(database)
    example.submit(("i0", "ann", "crime"), ("i1", "ann", "other"))
    done = example.change({"crime": "fraud"}, classes=("fraud", "theft", "other"))
    assert done.labels == 1
    assert example.labels() == {"i0": ("fraud", 1.0), "i1": ("other", 1.0)}
    assert example.submissions() == ["crime", "other"]
    assert example.stored().former_classes == {"crime": "fraud"}


def test_labels_are_resolved_anew_before_anybody_is_kept_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = Example(database)
    example.submit(("i0", "ann", "crime"), ("i1", "ann", "other"))
    steps: list[str] = []

    def note(module: ModuleType, name: str) -> None:
        noted = getattr(module, name)

        def step(*given: object) -> object:
            steps.append(name)
            return noted(*given)

        monkeypatch.setattr(module, name, step)

    note(submissions, "resolve")
    note(projects, "hold_config")
    example.change({"crime": "fraud"}, classes=("fraud", "theft", "other"))
    assert steps == ["resolve", "resolve", "hold_config"]


def test_equal_answers_are_looked_at_once_to_know_their_classes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = Example(database, task="multi")
    both, other = ["crime", "theft"], ["other"]
    example.submit(("i0", "ann", both), ("i1", "ann", both), ("i2", "ann", other), ("i3", "ann", []))
    looked_at: list[LabelJson] = []

    def look_at(label: LabelJson) -> list[str]:
        looked_at.append(label)
        return classes_of(label)

    monkeypatch.setattr(submissions, "classes_of", look_at)
    with database.read() as session:
        counts = submissions.answered_classes(session, example.id, {"crime": "fraud"})
    assert counts == {"fraud": 2, "theft": 2, "other": 1}
    assert sorted(looked_at) == [[], ["fraud", "theft"], ["other"]]


def test_what_is_answered_while_labels_are_resolved_anew_counts(database: Database) -> None:
    example = Example(database)
    example.submit(("i0", "ann", "crime"), ("i1", "ann", "crime"))
    renewal = submissions.Renewal({"crime": "fraud"})
    with database.read() as session:
        renewal.go_on(session, example.id)
    example.submit(("i0", "ben", "other"), ("i2", "ben", "crime"))
    with database.write() as session:
        renewal.go_on(session, example.id)
        assert renewal.store(session, example.id) == 2
    assert example.labels() == {"i0": ("other", 0.5), "i1": ("fraud", 1.0), "i2": ("fraud", 1.0)}


def test_who_disagreed_about_merged_classes_agrees(database: Database) -> None:
    example = Example(database)
    example.submit(("i0", "ann", "crime"), ("i0", "ben", "theft"), ("i0", "cleo", "other"))
    assert example.labels()["i0"] == ("other", 1 / 3)
    example.change({"crime": "fraud", "theft": "fraud"}, classes=("fraud", "other"))
    assert example.labels()["i0"] == ("fraud", 2 / 3)


def test_a_late_answer_under_the_old_name_is_understood_and_counts(database: Database) -> None:
    example = Example(database)
    example.submit(("i0", "ann", "crime"), key="s-1")
    example.change({"crime": "fraud"}, classes=("fraud", "theft", "other"))
    assert example.submit(("i0", "ann", "crime"), key="s-1") == ["duplicate"]
    assert example.submit(("i0", "ann", "fraud"), key="s-1") == ["duplicate"]
    assert example.submit(("i0", "ann", "other"), key="s-1") == ["refused"]
    assert example.submit(("i0", "ben", "crime"), ("i1", "ben", "crime")) == ["accepted", "accepted"]
    assert example.labels() == {"i0": ("fraud", 1.0), "i1": ("fraud", 1.0)}
    assert example.submissions() == ["crime"] * 3


@pytest.mark.parametrize(
    ("task", "before", "after"),
    [
        ("multi", ["crime", "theft"], ["fraud"]),
        (
            "ner",
            [{"start": 4, "end": 8, "label": "crime"}, {"start": 4, "end": 8, "label": "theft"}],
            [{"start": 4, "end": 8, "label": "fraud"}],
        ),
    ],
)
def test_labels_of_several_classes_are_merged_too(
    database: Database, task: str, before: list[Any], after: list[Any]
) -> None:
    example = Example(database, task=task)
    example.submit(("i0", "ann", before))
    example.change({"crime": "fraud", "theft": "fraud"}, classes=("fraud", "other"))
    assert example.labels()["i0"] == (after, 1.0)


def test_classes_can_be_added_and_those_without_an_answer_dropped(database: Database) -> None:
    example = Example(database)
    example.submit(("i0", "ann", "crime"), ("i0", "ben", "crime"), ("i0", "cleo", "other"))
    example.change(classes=("crime", "other", "new"))
    assert example.submit(("i1", "ann", "new")) == ["accepted"]
    with pytest.raises(ConfigError, match=r"'other' \(1 submissions\)"):  # though no label says so
        example.change(classes=("crime", "new"))
    assert example.stored().classes == ("crime", "other", "new")


def test_a_dry_run_says_the_same_and_changes_nothing(database: Database) -> None:
    example = Example(database)
    example.submit(("i0", "ann", "crime"))
    change: dict[str, Any] = {"classes": ("fraud", "theft", "other"), "rules": [rule(keywords=["stolen"])]}
    before = example.stored(), example.labels(), example.hits()
    dry = example.change({"crime": "fraud"}, dry_run=True, **change)
    assert (example.stored(), example.labels(), example.hits()) == before
    assert example.change({"crime": "fraud"}, **change) == dry
    assert dry.hits == {"r": (0, 2)}


def rule(**condition: Any) -> dict[str, Any]:
    return {"name": "r", "class": "other", **condition}


def test_rules_that_changed_are_looked_up_in_the_texts_that_there_are(database: Database) -> None:
    example = Example(database, rules=[rule(keywords=["stolen"]), {**rule(pattern="^an? "), "name": "kept"}])
    assert example.hits() == {"r": {"i0": 1, "i2": 1}, "kept": {"i1": 1, "i3": 1}}
    kept = {**rule(pattern="^an? "), "name": "kept", "class": "theft"}
    done = example.change(rules=[rule(keywords=["parcel"]), kept])
    assert example.hits() == {"r": {"i1": 1, "i2": 1}, "kept": {"i1": 1, "i3": 1}}
    assert done.hits == {"r": (2, 2)}
    example.add([("i4", "another parcel", 0.1)])
    assert example.hits()["r"] == {"i1": 1, "i2": 1, "i4": 1}
    assert example.change(rules=[kept]).hits == {"r": (3, 0)}
    assert example.hits().keys() == {"kept"}
    example.change(rules=[kept, rule(description="Something was stolen.")])
    assert example.hits().keys() == {"kept"}


def test_a_hint_is_looked_up_as_far_as_its_values_were_kept(database: Database) -> None:
    example = Example(database, rules=[rule(hint="risk", at_least=0.35)])
    assert example.hits() == {"r": {"i1": 0.4, "i2": 0.6, "i3": 0.8}}
    assert example.change(rules=[rule(hint="risk", at_least=0.5)]).notes == ()
    assert example.hits() == {"r": {"i2": 0.6, "i3": 0.8}}
    [note] = example.change(rules=[rule(hint="risk", at_least=0.1)]).notes
    assert "only values of 0.5 and more were kept" in note
    assert example.hits() == {"r": {"i2": 0.6, "i3": 0.8}}
    [note] = example.change(rules=[rule(hint="other")]).notes
    assert "no values of it were kept" in note
    assert example.hits() == {}


def test_what_can_not_change_leaves_everything_as_it_was(database: Database) -> None:
    example = Example(database)
    with database.write() as session:
        session.get_one(Project, example.id).encoder_key = "all-MiniLM-L6-v2"
    with pytest.raises(ConfigError, match="encoder"):
        example.change({"crime": "fraud"}, classes=("fraud", "theft", "other"), encoder="another")
    assert example.stored() == example.config


def test_an_encoder_that_nobody_can_load_may_be_mended_as_long_as_there_is_no_vector(database: Database) -> None:
    example = Example(database, encoder="no such model")
    for _ in range(lanes.MOST_ATTEMPTS):
        with database.write() as session:
            claimed = lanes.claim(session, project_id=example.id, room=lanes.EMBED, owner="w", lease_s=30)
            assert claimed is not None
            lanes.give_back(session, claimed, error="EncoderUnavailableError")
    with database.read() as session:
        assert [lane.room for lane in lanes.set_aside(session)] == [lanes.EMBED]
    example.change(encoder="all-MiniLM-L6-v2")
    assert example.stored().encoder == "all-MiniLM-L6-v2"
    with database.read() as session:
        assert lanes.set_aside(session) == []
        assert (example.id, lanes.EMBED) in lanes.lagging(session)


def test_what_a_change_does_not_reach_is_told(database: Database) -> None:
    [note] = Example(database).change(near_duplicate_cosine=0.9).notes
    assert "texts that come from now on" in note


def test_a_round_in_progress_is_given_up_and_asked_for_again(database: Database) -> None:
    example = Example(database)
    with database.write() as session:
        lanes.request(session, example.id, lanes.ROUND)
    with database.write() as session:
        claimed = lanes.claim(session, project_id=example.id, room=lanes.ROUND, owner="me", lease_s=60)
    assert claimed is not None
    example.change(classes=("crime", "theft", "other", "new"))
    with pytest.raises(LeaseLostError), database.write() as session:
        lanes.complete(session, claimed)
    with database.write() as session:
        assert lanes.claim(session, project_id=example.id, room=lanes.ROUND, owner="you", lease_s=60) is not None


def test_nothing_changes_and_nobody_is_disturbed_by_the_same_configuration(database: Database) -> None:
    example = Example(database)
    done = example.change()
    assert done.before == done.after
    with database.read() as session:
        assert not lanes.has_work(session, example.id, lanes.ROUND)


def test_the_next_round_trains_with_the_new_classes_and_keeps_folds(
    database: Database,
    redis_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    cli: CommandLine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = ProjectConfig.model_validate({"classes": ("common", "rare"), "selection": {"batch_size": 20}})
    rounds = Rounds(database, redis_settings, monkeypatch, config)
    rounds.label(list(rounds.truth)[:60])
    before = rounds.run()
    capsys.readouterr()
    (tmp_path / "new.toml").write_text('classes = ["new", "common", "scarce"]\n[selection]\nbatch_size = 20\n')
    update = ("project", "update", "p", "--config", tmp_path / "new.toml", "--rename", "rare=scarce")
    dry = json.loads(cli(*update, "--dry-run", "--json").out)
    real = json.loads(cli(*update, "--json").out)
    assert {**dry, "dry_run": False} == real
    assert real["labels_changed"] == sum(rounds.truth[name] == "rare" for name in list(rounds.truth)[:60])
    assert {change["key"] for change in real["changes"]} == {"classes", "former_classes.rare"}
    assert "nothing to change" in cli("project", "update", "p", "--config", tmp_path / "new.toml").out
    rounds.label(list(rounds.truth)[60:80])  # under the old names
    after = rounds.run()
    assert {item: after[item] for item in before} == before
    with database.read() as session:
        blobs = session.exec(select(Model.arrays).order_by(col(Model.version))).all()
    assert [model_storage.load(blob).classes for blob in blobs] == [("common", "rare"), ("new", "common", "scarce")]
    assert rounds.headers()[1]["label_counts"] == {
        "new": 0,
        "common": sum(rounds.truth[name] == "common" for name in list(rounds.truth)[:80]),
        "scarce": sum(rounds.truth[name] == "rare" for name in list(rounds.truth)[:80]),
    }
    capsys.readouterr()
    facts = json.loads(cli("model", "diff", "p", "1", "2", "--json").out)
    assert facts["labels_added"]["rare"] < 0


def test_the_command_says_what_it_refuses(cli: CommandLine, database: Database, tmp_path: Path) -> None:
    example = Example(database, rules=[rule(keywords=["stolen"])])
    example.submit(("i0", "ann", "crime"))
    (tmp_path / "new.toml").write_text(
        'classes = ["theft", "other"]\nrules = [{name = "r", class = "other", keywords = ["parcel"]}]\n'
    )
    run = cli("project", "update", "p", "--config", tmp_path / "new.toml")
    assert run.code == 2
    assert "--rename crime=NEW" in run.err
    run = cli("project", "update", "p", "--config", tmp_path / "new.toml", "--rename", "crime=theft")
    assert run.code == 2
    assert "--merge crime,theft=theft" in run.err
    run = cli("project", "update", "p", "--config", tmp_path / "new.toml", "--merge", "crime,theft=theft", "--dry-run")
    assert run.code == 0
    assert "1 label with another class" in run.out
    assert "classes: gone crime" in run.out
    assert 'rules.r.keywords: ["stolen"] -> ["parcel"]' in run.out
    assert "nothing was changed" in run.out
    assert cli("project", "update", "nothing", "--config", tmp_path / "new.toml").code == 3
