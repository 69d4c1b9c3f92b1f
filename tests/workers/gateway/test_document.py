"""The OpenAPI document says what the server does: requests made up from it, and each answer held against it.

`QUIETCORNER_FUZZ_EXAMPLES` sets how many requests are made up for each operation.
"""

import os
import re
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.tokens import Scope
from tests.workers.gateway.server import PROJECT, Api, api

__all__ = ["api"]

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = int(os.environ.get("QUIETCORNER_FUZZ_EXAMPLES", "6"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def test_whatever_is_made_up_from_the_document_is_answered_as_it_says(api: Api) -> None:
    document = schemathesis.openapi.from_asgi("/openapi.json", api.client.app)
    headers = {"Authorization": f"Bearer {api.token(Scope.ADMIN)}"}
    results: list[Any] = list(document.get_all_operations())  # an error has no `ok`
    operations = [found.ok() for found in results]
    assert len(operations) >= 12
    for operation in operations:
        for project in (PROJECT, None):
            _try_out(operation, headers, project=project)
    assert len(api.dead()) >= 1


def _try_out(operation: Any, headers: dict[str, str], *, project: str | None) -> None:
    """Ask of a project that is there, or of whatever is made up."""

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        if project is not None and "project" in (case.path_parameters or {}):
            case.path_parameters["project"] = project
        case.validate_response(case.call(headers=headers), checks=CHECKS)

    ask()


def test_the_table_of_errors_has_the_status_of_each(api: Api) -> None:
    document = api.ask("GET", "/openapi.json", token=None).json()
    refused = api.ask("DELETE", "/health", token=None)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    errors = {status for operation in operations for status in operation["responses"] if status >= "4"}
    rows = re.findall(r"^\| ([\d, ]+) \|", (DOCS / "http.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert refused.status_code == 405
    assert refused.json()["error"].keys() == {"what", "where", "mend"}
    assert {one for row in rows for one in row.split(", ")} == {"405", *errors}


def test_every_operation_tells_what_it_does_who_may_ask_and_shows_an_example(api: Api) -> None:
    document = api.ask("GET", "/openapi.json", token=None).json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            if not path.startswith("/health"):
                assert operation["security"] == [{"HTTPBearer": []}]
                assert {"401", "403", "429", "503"} <= operation["responses"].keys()
            if "requestBody" in operation:
                assert "example" in str(operation["requestBody"]) or _refers_to_examples(document, operation)


def _refers_to_examples(document: Any, operation: Any) -> bool:
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return bool(document["components"]["schemas"][name]["examples"])
