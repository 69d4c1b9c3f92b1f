"""Fixtures for all tests: real servers, and a running Quiet Corner."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

pytest_plugins = ["tests.servers", "tests.live", "tests.faults.scene"]

# The same examples in every run, so that a failure is that of a change: `pytest --hypothesis-profile=default` draws
# others.
settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _logs_of_its_own() -> Iterator[None]:
    """Whatever a test sets up for logs goes with it, as the stream that it wrote to is closed then.

    Without it faults are shown as Quiet Corner shows them: structlog by itself writes out all variables, for seconds.
    """
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    yield
    structlog.reset_defaults()
