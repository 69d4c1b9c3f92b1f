"""Serving: the HTTP API in this process, until it is told to end."""

import ipaddress
import logging
import socket

import structlog
import uvicorn

from shared.errors import InvalidInputError
from workers.context import context
from workers.gateway.api import create_api
from workers.readiness import say_ready

# Connections at once; what comes beyond is told to come back.
_MOST_CONNECTIONS = 2_000
_KEPT_OPEN_S = 60
_LAST_ANSWERS_S = 20

_log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _log.info("http.ready", host=self.config.host, port=self.config.port)
            say_ready()


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; what was begun is answered first."""
    held = context()
    if not is_loopback(host):
        _log.warning(
            "http.open_to_others",
            host=host,
            told="tokens and texts travel unencrypted: let others connect only through a proxy that speaks TLS",
        )
    # What it would say of requests, the metrics say; what fails, our own log says.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        create_api(held),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here goes by who is at the other end
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_KEPT_OPEN_S,
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
    )
    with _listening(host, port) as listener:
        _Server(config).run([listener])


def _listening(host: str, port: int) -> socket.socket:
    """A socket that is bound to an address; uvicorn would say why it can't be in a log that nobody reads."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise InvalidInputError(
            f"the HTTP API can't listen on {host}, port {port}: {error.strerror or error}. Choose another with --port, "
            "QUIETCORNER_HTTP_PORT or `up --http`, or end what listens there."
        ) from error
    return listener
