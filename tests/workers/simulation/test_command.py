import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from shared.errors import ConfigError, InvalidInputError
from tests.workers.simulation.made_up import WordEncoder, make_rows, write_rows
from workers.commands import simulate as command
from workers.selection.strategies import STRATEGIES

app = typer.Typer()
app.command()(command.simulate)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> WordEncoder:
    """Stands in for the sentence encoder."""
    words = WordEncoder()

    def load(_name: str, *, threads: int) -> WordEncoder:
        assert threads
        return words

    monkeypatch.setattr(command, "load_encoder", load)
    return words


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which also holds the user's cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home-cache"))
    return tmp_path


def simulate(file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, [str(file), "--init", "10", "--batch", "5", "--rounds", "3", *options])


def without_seconds(lines: str) -> list[dict[str, Any]]:
    return [{**json.loads(line), "train_s": 0, "select_s": 0} for line in lines.splitlines()]


def test_the_strategies_on_offer_are_those_that_there_are() -> None:
    assert {strategy.value for strategy in command.Strategy} == set(STRATEGIES)


@pytest.mark.usefixtures("encoder")
def test_on_the_terminal_there_are_a_table_a_summary_and_a_picture(folder: Path) -> None:
    rows = [*make_rows(80), {"text": "no label"}]
    result = simulate(write_rows(folder / "mail.jsonl", rows))
    assert result.exit_code == 0, result.output
    for shown in (
        "single, 2 classes: 60 items in the pool, 20 in the test set",
        "1 row(s) rejected, the first at line 81: label is missing",
        "rare classes (under half of an even share of the pool's labels): rare",
        "macro PR-AUC",
        "quietcorner: 20 labels (33.3% of the pool",
        "learning curve: simulate-mail.png",
    ):
        assert shown in result.stdout
    assert (folder / "simulate-mail.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("encoder")
def test_json_on_standard_output_is_one_object_a_round_and_nothing_else(folder: Path) -> None:
    result = simulate(write_rows(folder / "mail.jsonl", make_rows(80)), "--json", "-")
    assert [json.loads(line)["round"] for line in result.stdout.splitlines()] == [1, 2, 3]
    assert "rare classes" in result.stderr
    assert not list(folder.glob("*.png"))


def test_each_object_is_in_the_file_before_the_next_round_begins(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    with command._json_lines(str(path)) as write:
        assert write
        write({"round": 1})
        assert path.read_text() == '{"round": 1}\n'


@pytest.mark.usefixtures("encoder")
def test_equal_arguments_give_equal_json_apart_from_the_seconds(folder: Path) -> None:
    file = write_rows(folder / "mail.jsonl", make_rows(80))
    for name in ("one", "two"):
        assert simulate(file, "--json", f"{name}.jsonl", "--seed", "7", "--cache", name).exit_code == 0
    first, second = (without_seconds((folder / f"{name}.jsonl").read_text()) for name in ("one", "two"))
    assert json.dumps(first) == json.dumps(second)


def test_a_second_run_finds_all_vectors_in_the_users_cache(folder: Path, encoder: WordEncoder) -> None:
    file = write_rows(folder / "mail.jsonl", make_rows(40))
    simulate(file, "--json", "-")
    assert len(encoder.encoded) == 40
    simulate(file, "--json", "-", "--strategy", "margin")
    assert len(encoder.encoded) == 40
    assert (folder / "home-cache" / "quietcorner" / "embeddings.db").is_file()


@pytest.mark.usefixtures("encoder")
def test_a_replay_that_ends_early_says_so(folder: Path) -> None:
    result = simulate(write_rows(folder / "mail.jsonl", make_rows(40)), "--batch", "15")
    assert result.exit_code == 0
    assert "learning curve" in result.stdout
    result = simulate(write_rows(folder / "mail.jsonl", make_rows(40)), "--batch", "25")
    assert "ended after round 2 of 3: no eligible item is left in the pool" in result.stdout


@pytest.mark.usefixtures("encoder")
def test_rules_seed_the_first_round(folder: Path) -> None:
    rules = folder / "rules.toml"
    rules.write_text('[[rules]]\nname = "stolen"\nclass = "rare"\nkeywords = ["fraud"]\n')
    result = simulate(write_rows(folder / "mail.jsonl", make_rows(80)), "--json", "-", "--rules", str(rules))
    first = json.loads(result.stdout.splitlines()[0])
    assert "rule" in {chosen["reason"]["channel"] for chosen in first["selected"]}
    assert first["per_class"]["rare"]["labeled"] >= 3


@pytest.mark.usefixtures("encoder")
def test_a_project_file_has_its_rules_costs_caps_and_options_followed(folder: Path) -> None:
    project = folder / "project.toml"
    common = 'classes = ["rare", "common"]\nseed = 99\n[selection]\nbatch_size = 3\naudit_share = 0.0\n'
    project.write_text(common + '[[rules]]\nname = "stolen"\nclass = "rare"\nkeywords = ["fraud"]\n')
    data = write_rows(folder / "mail.jsonl", make_rows(80))
    rounds = [json.loads(line) for line in simulate(data, "--json", "-", "--config", str(project)).stdout.splitlines()]
    project.write_text(common.replace("audit_share = 0.0", "audit_share = 0.9"))
    other = [json.loads(line) for line in simulate(data, "--json", "-", "--config", str(project)).stdout.splitlines()]
    channels = [[chosen["reason"]["channel"] for chosen in found[0]["selected"]] for found in (rounds, other)]
    assert "rule" in channels[0]
    assert "audit" not in channels[0]
    assert "rule" not in channels[1]
    assert channels[1].count("audit") > len(channels[1]) / 2
    assert len(rounds[1]["selected"]) > 3  # by the option and not by the file


@pytest.mark.parametrize("kind", ['hint = "risk"\nat_least = 0.75', 'description = "fraud fraud"'])
def test_rules_may_read_a_column_of_scores_or_describe_their_class(
    folder: Path, encoder: WordEncoder, kind: str
) -> None:
    rules = folder / "rules.toml"
    rules.write_text(f'[[rules]]\nname = "stolen"\nclass = "rare"\n{kind}\n')
    rows = [{**row, "risk": 0.75 if row["label"] == "rare" else None} for row in make_rows(80)]
    rows[1]["risk"] = "high"
    result = simulate(write_rows(folder / "mail.jsonl", rows), "--json", "-", "--rules", str(rules))
    chosen = json.loads(result.stdout.splitlines()[0])["selected"]
    by_rule = [item["item_id"] for item in chosen if item["reason"]["channel"] == "rule"]
    assert len(by_rule) >= 3
    assert all(int(item_id[1:]) % 10 == 0 for item_id in by_rule)
    assert encoder.encoded.count("fraud fraud") == ("description" in kind)
    assert ("risk = 'high': a finite number" in result.stderr) == ("hint" in kind)


@pytest.mark.usefixtures("encoder")
def test_rare_classes_can_be_named(folder: Path) -> None:
    result = simulate(write_rows(folder / "mail.jsonl", make_rows(40)), "--json", "-", "--rare", "common, rare")
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["rare_recall_found"] == pytest.approx(20 / 30)
    assert "rare classes (as named): common, rare" in result.stderr


@pytest.mark.usefixtures("encoder")
def test_tagged_texts_are_simulated_by_the_entity_classes_that_occur(folder: Path) -> None:
    rows = [
        {"id": row["id"], "tokens": row["text"].split(), "tags": [f"B-{row['label']}", "O", "O", "O", "O", "O"]}
        for row in make_rows(80)
    ]
    result = simulate(write_rows(folder / "mail.jsonl", rows), "--json", "-")
    assert "ner (entity classes of a text as its labels), 2 classes" in result.stderr
    assert len(result.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (("--rare", "rare,fraud"), InvalidInputError, "unknown class 'fraud'; the file's classes are: common, rare"),
        (("--rare", ","), InvalidInputError, "no class is named"),
        (("--json", "missing/rounds.jsonl"), InvalidInputError, "can't be written"),
        (("--plot", "missing/curve.png"), InvalidInputError, "can't be written.*--plot"),
        (("--plot", "."), InvalidInputError, "can't be written.*--plot"),
        (("--rules", "missing.toml"), ConfigError, "missing.toml: can't be read"),
        (("--rules", "other.toml"), ConfigError, r"\[\[rules\]\] and nothing else is expected; it also holds seed"),
        (("--rules", "wrong.toml"), ConfigError, "rules names 'fraud', which is not in classes"),
        (("--config", "other.toml"), ConfigError, "classes = .*Field required"),
        (("--config", "unlike.toml"), ConfigError, "only the project file has a class 'third'"),
        (("--config", "multi.toml"), ConfigError, "task = 'multi', but the file's labels call for 'single'"),
        (("--rules", "two.toml"), ConfigError, "two.toml:\n  rules.0 = .*give exactly one of"),
    ],
)
@pytest.mark.usefixtures("encoder")
def test_a_wrong_option_is_refused_before_anything_is_encoded(
    folder: Path, encoder: WordEncoder, options: tuple[str, str], kind: type[Exception], message: str
) -> None:
    (folder / "other.toml").write_text("seed = 1\nrules = []\n")
    (folder / "unlike.toml").write_text('classes = ["common", "rare", "third"]\n')
    (folder / "multi.toml").write_text('task = "multi"\nclasses = ["common", "rare"]\n')
    (folder / "two.toml").write_text('[[rules]]\nname = "r"\nclass = "rare"\nhint = "x"\npattern = "y"\n')
    (folder / "wrong.toml").write_text('[[rules]]\nname = "r"\nclass = "fraud"\nkeywords = ["x"]\n')
    result = simulate(write_rows(folder / "mail.jsonl", make_rows(40)), *options)
    assert isinstance(result.exception, kind)
    with pytest.raises(kind, match=message):
        raise result.exception
    assert encoder.encoded == []


@pytest.mark.usefixtures("encoder")
def test_a_replay_that_fails_leaves_a_picture_as_it_was(folder: Path) -> None:
    rows = write_rows(folder / "mail.jsonl", make_rows(40))
    (folder / "old.png").write_bytes(b"old")
    for picture in ("old.png", "new.png"):
        assert simulate(rows, "--plot", picture, "--json", "missing/rounds.jsonl").exit_code != 0

    assert (folder / "old.png").read_bytes() == b"old"
    assert not (folder / "new.png").exists()


def test_the_packaged_encoder_tells_refunds_from_threats(folder: Path) -> None:
    places = ("Rome", "Oslo", "Lima", "Bern", "Cairo", "Delhi", "Quito", "Tunis", "Paris", "Seoul")
    wishes = ("refund the ticket to {}", "my booking for {} is wrong", "when does the train to {} leave")
    calm = [wish.format(place) for place in places for wish in (*wishes, "how much is a hotel in {}")]
    angry = [f"i know where you live in {place} and i will hurt you" for place in places]
    angry += [f"tell the people in {place} that i want to kill myself" for place in places]
    rows = [{"text": text, "label": "calm"} for text in calm] + [{"text": text, "label": "threat"} for text in angry]
    result = simulate(write_rows(folder / "mail.jsonl", rows), "--json", "-", "--rare", "threat")
    assert result.exit_code == 0, result.output
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["per_class"]["threat"]["f1"] > 0.8
    assert last["selected"][0]["reason"]["encoder"].startswith("all-MiniLM-L6-v2@")
