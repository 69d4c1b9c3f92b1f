"""Fixtures for all tests: real servers, and a running Quiet Corner."""

from hypothesis import settings

pytest_plugins = ["tests.servers", "tests.live", "tests.faults.scene"]

# The same examples in every run, so that a failure is that of a change: `pytest --hypothesis-profile=default` draws
# others.
settings.load_profile("ci")
