"""The OpenAPI document: what FastAPI knows of the routes, and the problems that each may answer with."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.examples import EXAMPLES
from api.problems import Problem, documented

_REF = "#/components/schemas/{model}"


def install(app: FastAPI) -> None:
    """Let the app publish the whole contract at /openapi.json."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to change the document


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    schema = Problem.model_json_schema(ref_template=_REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= schema.pop("$defs", {}) | {"Problem": schema}
    for operations in document["paths"].values():
        for operation in operations.values():
            body = operation.get("requestBody")
            if body is not None:
                too_large = {str(status): answer for status, answer in documented(413).items()}
                operation["responses"] = too_large | operation["responses"]
                for content in body["content"].values():
                    _add_examples(content, operation["operationId"])
    return document


def _add_examples(content: dict[str, Any], operation_id: str) -> None:
    examples = EXAMPLES.get(operation_id, {})
    if examples:
        content["examples"] = {
            shows.replace(" ", "_"): {"summary": shows, "value": value} for shows, value in examples.items()
        }
