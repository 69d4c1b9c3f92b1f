"""The gateway: the HTTP API."""
