"""Fixtures for all tests: real servers, and a running Quiet Corner."""

pytest_plugins = ["tests.servers", "tests.live"]
