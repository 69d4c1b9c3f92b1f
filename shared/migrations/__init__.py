"""Alembic migrations, the oldest first in `versions/`; a file's name begins with its revision."""

from functools import cache
from pathlib import Path


@cache
def newest() -> str:
    """The newest revision, without loading Alembic and all migrations to learn it."""
    return max(file.name for file in (Path(__file__).parent / "versions").glob("[0-9]*.py")).partition("_")[0]
