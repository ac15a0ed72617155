"""The published contract: complete, true, and something to start from."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from api.app import create_app
from api.examples import EXAMPLES
from settings import Settings

Json = dict[str, Any]
PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
WITHOUT_PROBLEMS = {"/healthz", "/readyz", "/metrics"}
"""They may be asked too often, and answer by themselves otherwise."""
DIALECTS = {"/bank/osmp", "/bank/kaspi"}
"""They say in their own words what goes wrong."""


@pytest.fixture(scope="module")
def document() -> Json:
    app = create_app(Settings(), None, None)  # type: ignore[arg-type]  # nothing is asked of either
    contract: Json = app.openapi()
    return contract


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_document_has_its_parts(document: Json) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Abonent"
    assert document["info"]["version"]
    schemes = document["components"]["securitySchemes"].values()
    assert {(scheme["type"], scheme["scheme"]) for scheme in schemes} == {("http", "bearer"), ("http", "basic")}
    assert all(scheme["description"] for scheme in schemes)


def test_every_operation_says_what_it_is(document: Json) -> None:
    for method, path, operation in operations(document):
        assert operation["summary"], (method, path)
        assert operation["description"], (method, path)
        assert operation["tags"], (method, path)
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_operation_names_the_problems_it_answers_with(document: Json) -> None:
    for method, path, operation in operations(document):
        answers = operation["responses"]
        expected = {"429"} if path in WITHOUT_PROBLEMS else {"401", "403", "404", "409", "422", "429", "503"}
        if "requestBody" in operation:
            expected |= {"413"}
        if path in DIALECTS:
            expected = set()
        named = {
            status
            for status, answer in answers.items()
            if answer.get("content") == {"application/problem+json": PROBLEM} and answer["description"]
        }
        assert named == expected, (method, path)
        assert [status for status in answers if status.startswith("2")], (method, path)


def test_a_problem_is_described_as_it_is_sent(document: Json) -> None:
    problem = document["components"]["schemas"]["Problem"]
    assert {"type", "title", "status", "detail"} <= set(problem["required"])
    assert set(problem["properties"]) == {"type", "title", "status", "detail", "errors"}
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_reference_leads_somewhere_and_every_schema_is_one(document: Json) -> None:
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_path_parameters_are_those_of_the_path(document: Json) -> None:
    for method, path, operation in operations(document):
        named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}, (method, path)


def test_every_example_belongs_to_an_operation_and_fits_its_body(document: Json) -> None:
    bodies = {
        operation["operationId"]: operation["requestBody"]["content"]["application/json"]
        for _, _, operation in operations(document)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    assert set(EXAMPLES) <= set(bodies)
    for operation_id, examples in EXAMPLES.items():
        validator = Draft202012Validator({**bodies[operation_id]["schema"], "components": document["components"]})
        published = bodies[operation_id]["examples"].values()
        assert [entry["value"] for entry in published] == list(examples.values())
        for entry in published:
            assert entry["summary"]
            assert not list(validator.iter_errors(entry["value"])), (operation_id, entry["summary"])


@pytest.mark.parametrize(
    "operation_id",
    ["apply_for_connection", "complete_task", "cancel_process", "reschedule_visit", "register_subscriber",
     "take_payment", "receive_delivery"],
)  # fmt: skip
def test_the_main_requests_have_examples(operation_id: str) -> None:
    assert EXAMPLES[operation_id]
