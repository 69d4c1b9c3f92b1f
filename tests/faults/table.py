"""The table of faults in docs/reliability.md, written from what a run of the tests found.

`scripts/test --faults` loads this plugin. A test that stands for a fault carries `@pytest.mark.fault(WHAT, PROMISE)`;
what it measured comes by `record_property`. Results are kept in pytest's cache, so that a run of a part renews that
part.
"""

import os
import platform
from collections import defaultdict
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

_DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
_BEGIN, _END = "<!-- results -->\n", "<!-- end of results -->\n"
_CACHE = "faults/results"
_DATABASES = ("sqlite", "postgresql")
_HEAD = "| fault | promise | test | SQLite | PostgreSQL |\n| --- | --- | --- | --- | --- |\n"

Result = dict[str, Any]


class _Results:
    """What is known of each test, by its node id."""

    def __init__(self, config: pytest.Config) -> None:
        self._cache = config.cache
        self.known: dict[str, Result] = dict(self._cache.get(_CACHE, {})) if self._cache else {}

    def forget_all_but(self, files: set[str], node_ids: set[str]) -> None:
        self.known = {key: one for key, one in self.known.items() if key in node_ids or one["file"] not in files}

    def keep(self) -> None:
        if self._cache:
            self._cache.set(_CACHE, self.known)


_KEY = pytest.StashKey[_Results]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_KEY] = _Results(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Forget results of tests that are gone; it comes before any are deselected."""
    if any("::" in argument for argument in config.args):  # of these files not all tests were asked for
        return
    files = {str(item.location[0]) for item in items}
    config.stash[_KEY].forget_all_but(files, {item.nodeid for item in items})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    marker = item.get_closest_marker("fault")
    if marker is not None and (report.when == "call" or not report.passed):
        item.config.stash[_KEY].known[item.nodeid] = {
            "file": str(item.location[0]),
            "test": getattr(item, "originalname", item.name),
            "fault": marker.args[0],
            "promise": marker.args[1],
            "database": _database(item),
            "outcome": report.outcome,
            "measured": dict(report.user_properties),
        }
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    results = session.config.stash[_KEY]
    results.keep()
    before, _, rest = _DOCUMENT.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _DOCUMENT.write_text(f"{before}{_BEGIN}\n{_stamp()}\n\n{_HEAD}{_rows(results.known)}\n{_END}{after}")


def _database(item: pytest.Item) -> str:
    """The database that a test ran on: named by a parameter, else SQLite, as `up` has it by itself."""
    given = getattr(item, "callspec", None)
    named = [value for value in (given.params.values() if given else ()) if value in _DATABASES]
    marker = item.get_closest_marker("on_postgresql_only")
    return "postgresql" if marker is not None else named[0] if named else "sqlite"


def _stamp() -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"Written by `scripts/test --faults` on {datetime.now(UTC):%Y-%m-%d} ({machine})."


def _rows(known: dict[str, Result]) -> str:
    by_test: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for _, one in sorted(known.items()):
        by_test[one["file"], one["test"]].append(one)
    return "".join(_row(ones) for ones in by_test.values())


def _row(ones: list[Result]) -> str:
    cells = [_cell([one for one in ones if one["database"] == database]) for database in _DATABASES]
    name = ones[0]["test"].removeprefix("test_").replace("_", " ")
    file = Path(ones[0]["file"]).name
    return f"| {ones[0]['fault']} | {ones[0]['promise']} | `{file}`: {name} | {cells[0]} | {cells[1]} |\n"


def _cell(ones: list[Result]) -> str:
    ran = [one for one in ones if one["outcome"] != "skipped"]
    if not ran:
        return "does not apply" if ones else "not run"
    passed = sum(one["outcome"] == "passed" for one in ran)
    said = "kept" if passed == len(ran) == 1 else f"kept in {passed} of {len(ran)}"
    measured: dict[str, list[float]] = defaultdict(list)
    for one in ran:
        for name, value in one["measured"].items():
            measured[name].append(value)
    return "; ".join([said, *(f"{name} {max(values):g}" for name, values in measured.items())])
