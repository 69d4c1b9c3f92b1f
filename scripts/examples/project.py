"""The project of an example, made by the commands that a user would type."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.examples.cases import Case
from scripts.tickets import Ticket
from shared.database import open_database
from shared.repository.pools import encoder_in_use, space_of
from shared.settings import Settings
from shared.vectors import VectorTable, load_vectors

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """Where an example is played: its case, and the folder that holds its files and its data."""

    case: Case
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """For commands: the data folder of this example, and the embedded database."""
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        return kept | {"QUIETCORNER_DATA_DIR": str(self.folder / "data"), "COLUMNS": "120", "PYTHONPATH": str(_ROOT)}

    @property
    def settings(self) -> Settings:
        """As the commands find them."""
        return Settings(data_dir=self.folder / "data")


def make_project(place: Place, pool: Sequence[Ticket]) -> None:
    """Write the files, make the project, bring its items in and embed them; what is there already stays."""
    place.folder.mkdir(parents=True, exist_ok=True)
    (place.folder / "project.toml").write_text(place.case.project_file, encoding="utf-8")
    _write_rows(place.folder / "items.jsonl", pool)
    quietcorner(place, "project", "create", place.case.name, "--config", "project.toml")
    quietcorner(place, "ingest", place.case.name, "items.jsonl")
    _run(place, [sys.executable, "-c", _EMBED])


def quietcorner(place: Place, *arguments: str) -> str:
    """What a command prints."""
    return _run(place, [sys.executable, "-m", "workers.cli", *arguments])


def project_vectors(place: Place) -> VectorTable:
    """The vectors of the project's items."""
    settings = place.settings
    database = open_database(settings)
    try:
        with database.read() as session:
            encoder = encoder_in_use(session, 1) or ""
            return load_vectors(session, space=space_of(1), encoder=encoder, folder=settings.folder / "vectors")
    finally:
        database.close()


# What `quietcorner up` does with new items, once and in a process of its own.
_EMBED = "from workers.embedding.tasks import embed_pending; embed_pending(project_id=1)"


def _write_rows(path: Path, some: Sequence[Ticket]) -> None:
    rows = ({name: value for name, value in ticket.row().items() if name != "label"} for ticket in some)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _run(place: Place, command: list[str]) -> str:
    done = subprocess.run(command, cwd=place.folder, env=place.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[-4:])} failed:\n{done.stderr}")
    return done.stdout
