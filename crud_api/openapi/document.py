"""The whole description in OpenAPI 3.1, made from the declarations of the resources."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from crud_api.openapi.monitors import STATUS_SCHEMA, monitor_paths
from crud_api.openapi.operations import resource_paths
from crud_api.openapi.parameters import resource_parameters, shared_parameters
from crud_api.openapi.problem_types import ProblemType, problem_schemas
from crud_api.openapi.replies import HEADERS, problem_choices, problem_references, problem_responses
from crud_api.openapi.rest_v1 import SCHEMAS, rest_paths
from crud_api.openapi.rpc import rpc_paths
from crud_api.openapi.schemas import row_schemas
from crud_api.openapi.security import gateway_problems, security_requirement, security_schemes
from crud_api.resource import Resource
from crud_api.resource.columns.column import Schema
from crud_api.resource.relations import relations_of

API_VERSION = "0.2.0"
_DESCRIPTION = """\
- Every error is `application/problem+json` (RFC 9457) and names all wrong fields or parameters at once. Under /rest/v1
  errors have PostgREST's form.
- Lists have filters (`city=Paris`, `total_amount[gte]=10`), several sort keys, and pages with a cursor. An unknown or
  malformed parameter is refused. Only a parameter that is a list can be repeated. All parameters together have at most
  8 KB.
- `fields=customer_id,city` picks the columns of the answer. This description does not list it as a parameter, because
  its answers lack members that the schemas require.
- HEAD answers like GET, without the body.
- Every row has an `ETag`. With `If-None-Match` an unchanged row is not sent again. With `If-Match` a change cannot
  overwrite another change.
- A body is JSON of at most 1 MB and 32 levels. Unknown fields are refused."""


def document(
    resources: Sequence[Resource], access: str, tables: Collection[str] | None = None, functions: Collection[str] = ()
) -> dict[str, Any]:
    """Make the description of an API that serves these resources. `access` is the kind of access of the stage.

    `tables` are the names of all tables of /rest/v1. Without them, those are the resources. `functions` are the names
    of its functions.
    """
    paths = monitor_paths() | rest_paths(tables or [resource.name for resource in resources])
    paths |= rpc_paths(functions)
    schemas = {"ServiceStatus": STATUS_SCHEMA, **SCHEMAS}
    parameters = shared_parameters()
    relations = relations_of({resource.name: resource for resource in resources})
    for resource in resources:
        paths |= resource_paths(resource, relations)
        schemas |= row_schemas(resource, relations[resource.name])
        parameters |= resource_parameters(resource, relations[resource.name])
    responses, problems = _complete(paths, access)
    schemas |= problems
    said = {name for answer in _answers(paths, responses) for name in answer.get("headers", {})}
    schemes = security_schemes(access)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "crud-api",
            "version": API_VERSION,
            "summary": f"{', '.join(resource.name.capitalize() for resource in resources)} in PostgreSQL, over HTTP",
            "description": _DESCRIPTION,
            "contact": {"name": "The team that runs this API"},
            "license": {"name": "Proprietary", "identifier": "LicenseRef-Proprietary"},
        },
        # The URL is relative to the description's own URL, which begins with API Gateway's stage or with the base path
        # of a custom domain.
        "servers": [{"url": ".", "description": "The API that answers this description.", "x-internal": False}],
        "tags": [
            *({"name": resource.name, "description": f"Rows of {resource.name}."} for resource in resources),
            {"name": "rest", "description": "Any declared table, in PostgREST's query language."},
            {"name": "service", "description": "The service itself."},
        ],
        "security": security_requirement(access),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": parameters,
            "headers": {name: header for name, header in HEADERS.items() if name in said},
            "responses": responses,
            **({"securitySchemes": schemes} if schemes else {}),
        },
    }


def _complete(paths: dict[str, Schema], access: str) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Add the problems to the responses of each operation. Return the responses and the schemas that they refer to."""
    found: dict[str, Schema] = {}
    choices: dict[str, Schema] = {}
    every: set[ProblemType] = set()
    for item in paths.values():
        for method, operation in item.items():
            if method == "parameters":
                continue
            kinds = [*operation.pop("problems"), *gateway_problems(access, operation)]
            operation["responses"] |= problem_references(kinds)
            found |= problem_responses(kinds)
            choices |= problem_choices(kinds)
            every |= set(kinds)
    return found, problem_schemas(sorted(every, key=lambda kind: (kind.status, kind.slug))) | choices


def _answers(paths: dict[str, Schema], responses: dict[str, Schema]) -> list[Schema]:
    operations = [operation for item in paths.values() for method, operation in item.items() if method != "parameters"]
    return [answer for operation in operations for answer in operation["responses"].values()] + list(responses.values())
