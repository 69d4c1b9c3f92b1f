"""Fixtures for all tests: real servers, see `tests.servers`."""

pytest_plugins = ["tests.servers"]
