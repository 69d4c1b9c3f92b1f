"""Alembic migrations, the oldest first in `versions/`."""
