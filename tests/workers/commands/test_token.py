"""`quietcorner token` and `quietcorner history`: a token is shown once, and what was changed is written down."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from shared.access_tables import Token
from shared.database import Database
from shared.tokens import matches, parse
from tests.workers.commands.command_line import CommandLine, cli

__all__ = ["cli"]

CONFIG = 'classes = ["common", "rare"]'


@pytest.fixture
def project(cli: CommandLine, database: Database, tmp_path: Path) -> str:
    assert database.url
    config = tmp_path / "project.toml"
    config.write_text(CONFIG)
    assert cli("project", "create", "tickets", "--config", config).code == 0
    return "tickets"


def facts(cli: CommandLine, *arguments: str) -> Any:
    done = cli(*arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_a_token_is_shown_once_and_only_its_hash_is_kept(cli: CommandLine, database: Database, project: str) -> None:
    made = facts(cli, "token", "create", "the tool", "--scope", "annotate", "--project", project, "--days", "90")
    with database.read() as session:
        [row] = session.exec(select(Token)).all()
    number, secret = parse(made["token"]) or (0, "")
    assert number == made["id"] == row.id
    assert matches(secret, row.digest)
    assert row.expires_at == pytest.approx(row.created_at + 90 * 86_400)
    assert secret not in json.dumps(row.model_dump(mode="json"))
    [listed] = facts(cli, "token", "list")
    assert (listed["name"], listed["scopes"], listed["project"]) == ("the tool", ["annotate"], project)
    assert secret not in cli("token", "list").out + cli("history", project).out


def test_a_revoked_token_is_listed_as_revoked_and_revoking_it_again_changes_nothing(
    cli: CommandLine, project: str
) -> None:
    number = facts(cli, "token", "create", "the tool", "--scope", "submit", "--scope", "read")["id"]
    assert facts(cli, "token", "list")[0]["state"] == "live"
    assert cli("token", "revoke", str(number)).code == 0
    [first] = facts(cli, "token", "list")
    assert first["state"] == "revoked"
    assert cli("token", "revoke", str(number)).code == 0
    assert facts(cli, "token", "list") == [first]
    named = [change["what"] for change in facts(cli, "history", project)["changes"]]
    assert named == ["project.created", "token.created", "token.revoked"]


def test_what_cannot_be_a_token_is_refused_with_what_is_expected(cli: CommandLine, project: str) -> None:
    for arguments, told in [
        (("create", " ", "--scope", "read"), "printable"),
        (("create", "x", "--scope", "read", "--days", "0"), "--days"),
        (("create", "x", "--scope", "read", "--project", "nowhere"), "no project 'nowhere'"),
        (("revoke", "77"), "no token 77"),
    ]:
        done = cli("token", *arguments)
        assert done.code in (2, 3)
        assert told in done.err
    assert facts(cli, "token", "list") == []
    assert project


def test_a_changed_project_file_stands_in_the_history_with_what_it_was(
    cli: CommandLine, tmp_path: Path, project: str
) -> None:
    config = tmp_path / "project.toml"
    config.write_text(CONFIG + "\n[selection]\nbatch_size = 12\n")
    assert cli("project", "update", project, "--config", config, "--dry-run").code == 0
    assert cli("project", "update", project, "--config", config).code == 0
    _, change = facts(cli, "history", project)["changes"]
    assert change["what"] == "project.updated"
    assert change["who"]
    was = change["details"]["changed"]["selection"]
    assert (was["before"]["batch_size"], was["after"]["batch_size"]) == (50, 12)
    assert "project.updated" in cli("history", project).out
