"""Annotations a second that Label Studio stores, asked in the same way: one answer a request, by so many annotators.

Label Studio wants other versions than this project, so it has a Python of its own. What is asked is its `label-studio
start`, on a new SQLite database in a temporary folder:

    python -m venv build/bench/label-studio && build/bench/label-studio/bin/pip install label-studio
    python -m scripts.bench.load_loop.label_studio build/bench/label-studio/bin/label-studio
"""

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np

from scripts.bench.machine import free_port, machine

_START_S, _TASKS = 300.0, 2_000
_CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="fraud"/><Choice value="other"/></Choices></View>'
)
_ANSWER = {"result": [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["other"]}}]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts.bench.load_loop.label_studio", description=__doc__)
    parser.add_argument("program", type=Path, help="label-studio, in an environment of its own")
    parser.add_argument("--annotators", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    with _served(given.program) as (address, token):
        print(json.dumps(asyncio.run(_load(address, token, given)), indent=2))


@contextmanager
def _served(program: Path) -> Iterator[tuple[str, str]]:
    port, token = free_port(), secrets.token_hex(20)
    with tempfile.TemporaryDirectory(prefix="label-studio-") as folder:
        environment = {
            **os.environ,
            "LABEL_STUDIO_BASE_DATA_DIR": folder,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "COLLECT_ANALYTICS": "false",
            "DEBUG": "false",
        }
        account = ("--username", "bench@example.org", "--password", secrets.token_hex(8), "--user-token", token)
        command = (program, "start", "--no-browser", "--port", str(port), "--internal-host", "127.0.0.1", *account)
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            yield f"http://127.0.0.1:{port}", token
        except SystemExit:
            print((Path(folder) / "log").read_text()[-3_000:])
            raise
        finally:
            server.terminate()
            server.wait()


async def _load(address: str, token: str, given: argparse.Namespace) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=given.annotators)
    head = {"Authorization": f"Token {token}"}
    async with httpx.AsyncClient(base_url=address, headers=head, limits=limits, timeout=60.0) as client:
        await _wait(client)
        project = (await _post(client, "/api/projects", {"title": "bench", "label_config": _CONFIG}))["id"]
        await _post(client, f"/api/projects/{project}/import", [{"text": f"text {each}"} for each in range(_TASKS)])
        tasks = (await client.get("/api/tasks", params={"project": project, "page_size": _TASKS})).json()["tasks"]
        seconds: list[float] = []
        end = time.monotonic() + given.seconds
        await asyncio.gather(*(_annotate(client, tasks, number, end, seconds) for number in range(given.annotators)))
    p50, p99 = np.percentile(seconds, [50, 99])
    return {
        "command": f"scripts.bench.load_loop.label_studio --annotators {given.annotators} --seconds {given.seconds:g}",
        "machine": machine(),
        "accepted_per_s": round(len(seconds) / given.seconds, 1),
        "p50_ms": round(1e3 * p50, 1),
        "p99_ms": round(1e3 * p99, 1),
    }


async def _annotate(
    client: httpx.AsyncClient, tasks: list[dict[str, Any]], first: int, end: float, seconds: list[float]
) -> None:
    """One answer after the other, the next as soon as the last is acknowledged."""
    place = first
    while time.monotonic() < end:
        began = time.monotonic()
        await _post(client, f"/api/tasks/{tasks[place % len(tasks)]['id']}/annotations/", _ANSWER)
        seconds.append(time.monotonic() - began)
        place += 37


async def _wait(client: httpx.AsyncClient) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        try:
            if (await client.get("/api/projects")).status_code == 200:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        await asyncio.sleep(1.0)
    raise SystemExit(f"error: label-studio did not answer within {_START_S:.0f} s")


async def _post(client: httpx.AsyncClient, path: str, body: Any) -> Any:
    told = await client.post(path, json=body)
    if told.is_error:
        raise SystemExit(f"error: {path}: {told.status_code}: {told.text[:500]}")
    return told.json()


if __name__ == "__main__":
    main()
