"""Commands reach the database by functions that have tests on both of their own: here PostgreSQL is left to
`scripts/test --all`."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of commands that run on PostgreSQL."""
    for item in items:
        values = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if item.path.is_relative_to(_HERE) and values.get("database_url") == "postgresql":
            item.add_marker("second_database")
