"""Serving: the HTTP API in this process, until it is told to end."""

import ipaddress
import logging
import socket
from contextlib import ExitStack

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
    with ExitStack() as open_ones:
        listeners = [open_ones.enter_context(listener) for listener in _listening(host, port)]
        _Server(config).run(listeners)


def _listening(host: str, port: int) -> list[socket.socket]:
    """Sockets that are bound to each address of a host; uvicorn would say why one can't be where nobody reads it."""
    listeners: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listeners.append(socket.socket(family, kind, protocol))
            listeners[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listeners[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
            listeners[-1].bind(address)
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise InvalidInputError(
            f"the HTTP API can't listen on {host or 'all addresses'}, port {port}: {error.strerror or error}. Choose "
            "another with --port, QUIETCORNER_HTTP_PORT or `up --http`, or end what listens there."
        ) from error
    return listeners
