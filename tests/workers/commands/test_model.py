"""`quietcorner model` and `quietcorner predict`: versions, what changed, and decisions outside the project."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from shared.database import Database
from shared.project import ProjectConfig
from shared.repository.evaluation import store_metrics
from shared.repository.projects import create_project
from shared.settings import Settings
from shared.tables import Model
from shared.training_options import Training
from tests.rounds import Rounds
from tests.workers.commands.command_line import CommandLine, cli
from tests.workers.simulation.made_up import WordEncoder
from workers.embedding import encoders, lexicon
from workers.embedding.lexicon import DIMENSIONS
from workers.training import model_storage

__all__ = ["cli"]

DOCS = Path(__file__).parents[3] / "docs"
CONFIG = ProjectConfig.model_validate({"classes": ("common", "rare"), "selection": {"batch_size": 20}})


@pytest.fixture
def rounds(
    database: Database,
    redis_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Rounds:
    """A project with two model versions, of 60 and of 100 labels."""
    monkeypatch.setattr(encoders, "load_encoder", lambda *_, **__: WordEncoder())
    made = Rounds(database, redis_settings, monkeypatch, CONFIG)
    for labels in (60, 100):
        made.label(list(made.truth)[:labels])
        made.run()
    capsys.readouterr()  # what the rounds logged
    return made


@pytest.fixture
def lexical_rounds(
    database: Database,
    redis_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Rounds:
    """A project with a model of 60 labels that looks at lexical features."""
    monkeypatch.setattr(encoders, "load_encoder", lambda *_, **__: WordEncoder())
    monkeypatch.setattr(lexicon, "FEWEST_TEXTS", 100)
    made = Rounds(database, redis_settings, monkeypatch, CONFIG.model_copy(update={"training": Training(lexical=True)}))
    made.label(list(made.truth)[:60])
    made.run()
    capsys.readouterr()
    return made


def measure(rounds: Rounds, version: int, *, low: float, value: float, high: float) -> None:
    """Give a version metrics as an evaluation would."""
    one = {"value": value, "low": low, "high": high}
    rare = {"recall": value, "recall_low": low, "recall_high": high, "precision": 0.5, "f1": 0.5, "support": 7}
    with rounds.held.database.write() as session:
        found = session.get_one(Model, version)
        store_metrics(session, found.id, {"n": 20, "macro_f1": one, "per_class": {"rare": rare}, "too_few": []})


def test_versions_are_listed_the_newest_first(cli: CommandLine, rounds: Rounds) -> None:
    measure(rounds, 2, low=0.5, value=0.625, high=0.75)
    listed = json.loads(cli("model", "list", "p", "--json").out)["versions"]
    lines = cli("model", "list", "p").out.splitlines()
    assert [(row["version"], row["labels"], row["encoder"]) for row in listed] == [
        (2, 100, "words@1"),
        (1, 60, "words@1"),
    ]
    assert [row["macro_f1"] for row in listed] == [{"value": 0.625, "low": 0.5, "high": 0.75}, None]
    assert "0.625 (0.500 to 0.750)" in lines[1]


def test_a_version_shows_its_labels_its_thresholds_and_how_it_was_trained(cli: CommandLine, rounds: Rounds) -> None:
    measure(rounds, 2, low=0.5, value=0.625, high=0.75)
    facts = json.loads(cli("model", "show", "p", "--json").out)
    shown = cli("model", "show", "p", "1").out
    of_rare = next(one for one in facts["classes"] if one["name"] == "rare")
    names = list(rounds.truth)
    assert facts["version"] == 2
    assert of_rare["labels"] == sum(rounds.truth[name] == "rare" for name in names[:100])
    assert of_rare["recall"] == {"value": 0.625, "low": 0.5, "high": 0.75}
    assert of_rare["precision"] == {"value": 0.5, "low": None, "high": None}
    assert facts["data"] == rounds.headers()[1]["data"]
    assert "p, model version 1: 2 classes, one class an item" in shown
    assert 'training.class_weights = "balanced"' in shown
    assert "not measured yet" in shown


def test_a_difference_tells_labels_quality_and_decisions(cli: CommandLine, rounds: Rounds) -> None:
    measure(rounds, 1, low=0.2, value=0.25, high=0.3)
    measure(rounds, 2, low=0.5, value=0.625, high=0.75)
    facts = json.loads(cli("model", "diff", "p", "1", "2", "--json").out)
    shown = cli("model", "diff", "p", "1", "2").out
    names = list(rounds.truth)
    added = {answer: sum(rounds.truth[name] == answer for name in names[60:100]) for answer in ("common", "rare")}
    assert facts["labels_added"] == added
    assert facts["same_data"] is False
    assert {(row["metric"], row["class"], row["overlap"]) for row in facts["metrics"]} == {
        ("macro_f1", None, False),
        ("recall", "rare", False),
        ("precision", "rare", None),
    }
    assert facts["decisions"]["items"] == 200
    assert "macro f1 0.25 (0.20 to 0.30) 0.62 (0.50 to 0.75) apart" in " ".join(shown.split())
    assert f"they decide differently on {facts['decisions']['differing']} of the 200 items of the pool" in shown
    assert len(facts["examples"]) == min(facts["decisions"]["differing"], 10)


def test_intervals_stand_below_figures_on_a_narrow_terminal_and_no_line_of_a_pipe_is_broken(
    cli: CommandLine, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(rounds, 2, low=0.2, value=0.25, high=0.3)
    monkeypatch.setenv("COLUMNS", "80")
    piped = next(line for line in cli("model", "show", "p").out.splitlines() if line.startswith("rare"))
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("TERM", "xterm")
    shown = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in cli("model", "show", "p").out.splitlines()]
    place = next(number for number, line in enumerate(shown) if line.startswith("rare"))
    assert "0.25 (0.20 to 0.30)" in piped
    assert "0.25 (" not in shown[place]
    assert shown[place + 1].strip() == "(0.20 to 0.30)"
    assert shown[place].index("0.25") == shown[place + 1].index("(")


def test_decisions_are_counted_by_class_with_examples(cli: CommandLine, rounds: Rounds) -> None:
    with rounds.held.database.write() as session:
        stored = session.get_one(Model, 2)
        model = model_storage.load(stored.arrays)
        never = replace(model, offsets=np.array([0, -100], dtype=np.float32))  # decides for `common` alone
        stored.arrays = model_storage.dump(never, header={"encoder": "words@1", "labels": 100})
    facts = json.loads(cli("model", "diff", "p", "1", "2", "--json").out)
    differing = facts["decisions"]["differing"]
    assert differing > 10
    assert facts["decisions"]["by_class"] == {
        "common": {"lost": 0, "gained": differing},
        "rare": {"lost": differing, "gained": 0},
    }
    assert [(item["from"], item["to"]) for item in facts["examples"]] == [(["rare"], ["common"])] * 10
    assert facts["labels_added"] is None  # a version from before that was kept
    assert facts["same_data"] is None


@pytest.mark.usefixtures("rounds")
def test_an_export_decides_without_quiet_corner_as_the_model_does(cli: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "taken along"
    assert cli("model", "export", "p", "--out", out, "--onnx").code == 0
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "model.onnx", "weights.safetensors"]
    texts = ["my fraud fraud card", "please invoice invoice today", "the old order"]
    vectors = WordEncoder().encode(texts)
    np.save(tmp_path / "vectors.npy", vectors)
    alone = run_documented(0, out, tmp_path / "vectors.npy")
    predicted = [json.loads(line) for line in cli_predict(cli, tmp_path, texts)]
    assert [json.loads(line)["classes"] for line in alone.splitlines()] == [line["classes"] for line in predicted]
    session = onnxruntime.InferenceSession(out / "model.onnx")
    probability, _ = session.run(None, {"vectors": vectors.astype(np.float16).astype(np.float32)})
    for given, line in zip(probability.tolist(), predicted, strict=True):
        assert given == pytest.approx([line["probabilities"][name] for name in CONFIG.classes], abs=1e-5)


@pytest.mark.usefixtures("rounds")
def test_an_export_leaves_no_file_of_another_version_behind(cli: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cli("model", "export", "p", "--out", out, "--onnx").code == 0
    (out / "lexicon.safetensors").write_bytes(b"of a version that looked at words")
    (out / "notes.txt").write_text("mine")
    assert cli("model", "export", "p", "--out", out).code == 0
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "notes.txt", "weights.safetensors"]


def run_documented(number: int, *arguments: object) -> str:
    """Run one of the scripts that docs/models.md shows, on its own; gives what it printed."""
    scripts = re.findall(r"```python\n(.*?)```", (DOCS / "models.md").read_text(encoding="utf-8"), re.DOTALL)
    command = [sys.executable, "-I", "-c", scripts[number], *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("rounds")
def test_texts_of_files_and_of_standard_input_are_decided_on_alike(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["my fraud fraud card", "please invoice invoice today"]
    lines = [json.loads(line) for line in cli_predict(cli, tmp_path, texts)]
    assert [line["item_id"] for line in lines] == ["x0", "x1"]
    assert [line["classes"] for line in lines] == [["rare"], ["common"]]
    assert all(sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5) for line in lines)
    given = f'{texts[0]}\n{{"id": "x1", "text": "{texts[1]}"}}\n\n'
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(given.encode())))
    piped = [json.loads(line) for line in cli("predict", "p", "-", "--top", "1").out.splitlines()]
    assert [line["classes"] for line in piped] == [["rare"], ["common"]]
    assert [len(line["probabilities"]) for line in piped] == [1, 1]
    assert piped[0]["item_id"].startswith("auto-")


@pytest.mark.usefixtures("rounds")
def test_an_item_of_the_pool_gets_the_probabilities_that_explain_shows(cli: CommandLine, tmp_path: Path) -> None:
    explained = json.loads(cli("explain", "p", "i150", "--json").out)
    [line] = cli_predict(cli, tmp_path, [explained["text"]])
    assert json.loads(line)["probabilities"] == pytest.approx(explained["prediction"]["probabilities"], abs=2e-6)


@pytest.mark.usefixtures("lexical_rounds")
def test_lexical_features_are_the_same_for_an_item_and_for_a_text_and_are_shown(
    cli: CommandLine, tmp_path: Path
) -> None:
    facts = json.loads(cli("model", "show", "p", "--json").out)
    assert (facts["lexical"], facts["dimension"]) == (True, 64 + DIMENSIONS)
    assert "vectors of words@1 with lexical features" in cli("model", "show", "p").out
    explained = json.loads(cli("explain", "p", "i150", "--json").out)
    [line] = cli_predict(cli, tmp_path, [explained["text"]])
    assert json.loads(line)["probabilities"] == pytest.approx(explained["prediction"]["probabilities"], abs=2e-6)
    assert cli("model", "diff", "p", "1", "1").code == 0


@pytest.mark.usefixtures("lexical_rounds")
def test_an_export_with_lexical_features_decides_without_quiet_corner_as_the_model_does(
    cli: CommandLine, tmp_path: Path
) -> None:
    out, texts = tmp_path / "out", ["my fraud fraud card", "please invoice invoice today", "the old order"]
    assert cli("model", "export", "p", "--out", out, "--onnx").code == 0
    described = json.loads((out / "model.json").read_text())
    assert described["encoder"]["dimension"] == 64
    assert described["lexicon"] == {"file": "lexicon.safetensors", "lexicon": [2 * 16_384, 1 + DIMENSIONS]}
    np.save(tmp_path / "vectors.npy", 3 * WordEncoder().encode(texts))  # of any length
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    run_documented(1, out, tmp_path / "vectors.npy", tmp_path / "texts.txt", tmp_path / "both.npy")
    alone = [json.loads(line)["classes"] for line in run_documented(0, out, tmp_path / "both.npy").splitlines()]
    predicted = [json.loads(line) for line in cli_predict(cli, tmp_path, texts)]
    assert alone == [line["classes"] for line in predicted]

    x = np.load(tmp_path / "both.npy")
    x[:, :64] /= 3
    session = onnxruntime.InferenceSession(out / "model.onnx")
    probability, _ = session.run(None, {"vectors": x.astype(np.float16).astype(np.float32)})
    for given, line in zip(probability.tolist(), predicted, strict=True):
        assert given == pytest.approx([line["probabilities"][name] for name in CONFIG.classes], abs=1e-3)


@pytest.mark.usefixtures("rounds")
def test_a_row_that_cannot_be_taken_is_set_aside_and_the_rest_go_on(cli: CommandLine, tmp_path: Path) -> None:
    path, out = tmp_path / "new.jsonl", tmp_path / "predicted.jsonl"
    path.write_text('{"text": "fraud fraud"}\n{"text": " "}\nno json\n{"text": "invoice"}\n', encoding="utf-8")
    run = cli("predict", "p", path, "--out", out, "--version", "1")
    assert run.code == 0
    assert run.out == ""
    assert "p, version 1: 2 decided on, 2 rejected" in run.err
    assert [json.loads(line)["version"] for line in out.read_text().splitlines()] == [1, 1]
    refused = [json.loads(line) for line in (tmp_path / "new.jsonl.rejected.jsonl").read_text().splitlines()]
    assert [row["line"] for row in refused] == [2, 3]


@pytest.mark.usefixtures("rounds")
def test_a_version_that_is_not_there_and_a_project_without_one_are_told(cli: CommandLine, database: Database) -> None:
    with database.write() as session:
        create_project(session, "empty", CONFIG)
    for command in ("model show p 9", "model diff p 1 9", "predict p --version 9"):
        run = cli(*command.split())
        assert run.code == 2
        assert "p has no model version 9; its versions are 1 to 2" in run.err
    for command in ("model show empty", "model export empty", "predict empty -"):
        run = cli(*command.split())
        assert run.code == 2
        assert "empty has no model yet" in run.err
    assert "empty has no model yet" in cli("model", "list", "empty").out
    assert cli("model", "list", "nothing").code == 3


@pytest.mark.usefixtures("rounds")
def test_another_encoder_than_the_models_is_refused(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(WordEncoder, "key", "words@2")
    (tmp_path / "new.jsonl").write_text('{"text": "fraud"}\n')
    run = cli("predict", "p", tmp_path / "new.jsonl")
    assert run.code == 2
    assert "trained on vectors of words@1" in run.err


def cli_predict(cli: CommandLine, folder: Path, texts: list[str]) -> list[str]:
    """Lines that `predict` writes about a file of texts."""
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"id": f"x{n}", "text": text}) + "\n" for n, text in enumerate(texts)))
    run = cli("predict", "p", path, "--all")
    assert run.code == 0, run.err
    return run.out.splitlines()
