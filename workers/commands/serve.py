"""`quietcorner serve`: the HTTP API alone."""

from typing import Annotated

import typer


def serve(
    host: Annotated[
        str | None, typer.Option(help="address to listen on; QUIETCORNER_HTTP_HOST, else 127.0.0.1", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65_535, help="QUIETCORNER_HTTP_PORT, else 8000", show_default=False),
    ] = None,
) -> None:
    """Run the HTTP API, until Ctrl-C. The workers beside it are those of `quietcorner up`."""
    from workers.commands import edge
    from workers.gateway.serving import serve as run

    in_force = edge.settings()
    run(host or in_force.http_host, port or in_force.http_port or 8000)
