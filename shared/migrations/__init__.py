"""Alembic migrations, the oldest first in `versions/`; a file's name begins with its revision."""

from functools import cache
from pathlib import Path


@cache
def revisions() -> tuple[str, ...]:
    """All revisions, the newest last, without loading Alembic and all migrations to learn them."""
    files = (Path(__file__).parent / "versions").glob("[0-9]*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))


def newest() -> str:
    """The newest revision."""
    return revisions()[-1]
