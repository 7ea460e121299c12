"""The operations on a resource: what each view takes, and every way in which it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crud_api import errors
from crud_api.errors import ApiError
from crud_api.listing import MAX_FILTERS
from crud_api.new_rows import MAX_ROWS
from crud_api.openapi import examples
from crud_api.openapi.field_schemas import Schema, ref
from crud_api.openapi.parameters import list_parameters
from crud_api.openapi.problem_types import ProblemType, of
from crud_api.openapi.replies import or_nothing, success
from crud_api.openapi.schemas import model_name
from crud_api.relations import Relations
from crud_api.resource import Resource
from crud_api.responses import JSON

MERGE_PATCH = "application/merge-patch+json"

Kinds = tuple[type[ApiError], ...]

_EXECUTING: Kinds = (
    errors.RaisedError,
    errors.InternalError,
    errors.ExecutorFailedError,
    errors.ExecutorBusyError,
    errors.DeadlineExceededError,
)
_WRITING: Kinds = (errors.ForbiddenError, errors.NotWritableError, *_EXECUTING)
_BODY: Kinds = (
    errors.MalformedBodyError,
    errors.BodyTooLargeError,
    errors.UnsupportedMediaTypeError,
    errors.InvalidFieldsError,
)
_IDEMPOTENCY: Kinds = (
    errors.InvalidHeaderError,
    errors.IdempotencyInFlightError,
    errors.IdempotencyKeyReusedError,
)
_STORED = ("ETag", "Preference-Applied", "Idempotency-Replayed")


def resource_paths(resource: Resource, relations: Mapping[str, Relations]) -> dict[str, Schema]:
    """The paths of a resource: its rows, one row, and the rows of others that refer to one."""
    one = f"/{resource.name}/{{{resource.key}}}"
    paths: dict[str, Schema] = {
        f"/{resource.name}": {"get": _list(resource, relations), "post": _create(resource, relations[resource.name])},
        one: {
            "parameters": [ref("parameters", f"{resource.name}.key")],
            "get": _get(resource, relations[resource.name]),
            "put": _change(resource, "replace", JSON),
            "patch": _change(resource, "update", MERGE_PATCH, JSON),
            "delete": _delete(resource),
        },
    }
    for relation in relations[resource.name].values():
        if relation.many:
            paths[f"{one}/{relation.name}"] = {
                "parameters": [ref("parameters", f"{resource.name}.key")],
                "get": _list(relation.resource, relations, of=resource, called=relation.name),
            }
    return paths


def _list(
    resource: Resource, relations: Mapping[str, Relations], of: Resource | None = None, called: str = ""
) -> Schema:
    page = ref("schemas", f"{model_name(resource)}Page")
    return {
        "operationId": f"list_{called}_of_{of.name}" if of else f"list_{resource.name}",
        "summary": f"List the {called} of one {_said(of)}" if of else f"List {resource.name}",
        "description": f"Filters are and-ed, at most {MAX_FILTERS} of them. The key breaks ties of the sort.",
        "tags": [resource.name],
        "parameters": list_parameters(resource, relations[resource.name]),
        "responses": {
            "200": success(
                "A page of rows, which may be empty.", page, examples.page(resource), "Link", "Preference-Applied"
            )
            | {"links": _links_to_one(resource, f"$response.body#/items/0/{resource.key}")},
        },
        "problems": _problems(errors.InvalidParameterError, *((errors.NotFoundError,) if of else ()), *_EXECUTING),
    }


def _create(resource: Resource, relations: Relations) -> Schema:
    name = model_name(resource)
    new, stored = ref("schemas", f"New{name}"), ref("schemas", f"{name}Created")
    answer = {"oneOf": [stored, _many(stored)]}
    links = _links_to_one(resource, f"$response.body#/{resource.key}")
    for relation in relations.values():
        if relation.many:
            body = {relation.column: f"$response.body#/{resource.key}"}
            links[f"create_{relation.name}"] = {
                "operationId": f"create_{relation.resource.name}",
                "requestBody": body,
                "description": f"The key is what {relation.column} of new {relation.resource.name} may be.",
            }
    return {
        "operationId": f"create_{resource.name}",
        "summary": f"Create one or more {resource.name}",
        "description": f"One row, or an array of up to {MAX_ROWS} that are stored all or not at all.",
        "tags": [resource.name],
        "parameters": [ref("parameters", "preferCreate"), ref("parameters", "idempotencyKey")],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": {"oneOf": [new, _many(new, minItems=1)]},
                    "examples": examples.new(resource, relations),
                }
            },
        },
        "responses": {
            "200": success(
                "No row is new: the rows that had these keys were changed, as `resolution=merge-duplicates` asks.",
                answer,
                examples.stored(resource),
                *_STORED,
            ),
            "201": or_nothing(success("What was stored.", answer, examples.stored(resource), "Location", *_STORED))
            | {"links": links},
            "204": success("What 200 says, with `return=minimal`.", None, None, *_STORED),
        },
        "problems": _problems(*_BODY, errors.ConflictError, *_IDEMPOTENCY, *_WRITING),
    }


def _get(resource: Resource, relations: Relations) -> Schema:
    taken = [f"{resource.name}.fields"]
    if relations:
        taken.append(f"{resource.name}.expand")
    return {
        "operationId": f"get_{resource.name}",
        "summary": f"Get one {_said(resource)}",
        "description": "Its ETag is that of the answer. For If-Match take one without `fields` and `expand`.",
        "tags": [resource.name],
        "parameters": [ref("parameters", name) for name in (*taken, "ifNoneMatch")],
        "responses": {
            "200": success("The row.", ref("schemas", f"{model_name(resource)}View"), examples.view(resource), "ETag"),
            "304": success("The client has this version.", None, None, "ETag"),
        },
        "problems": _problems(errors.InvalidParameterError, errors.NotFoundError, *_EXECUTING),
    }


def _change(resource: Resource, verb: str, *media_types: str) -> Schema:
    change = ref("schemas", f"{model_name(resource)}Change")
    body = {"schema": change, "examples": examples.change(resource)}
    return {
        "operationId": f"{verb}_{resource.name}",
        "summary": f"{verb.capitalize()} fields of one {_said(resource)}",
        "description": "PUT and PATCH are the same: fields that are absent stay as they are, null clears (RFC 7396).",
        "tags": [resource.name],
        "parameters": [ref("parameters", "preferReturn"), ref("parameters", "ifMatch")],
        "requestBody": {"required": True, "content": dict.fromkeys(media_types, body)},
        "responses": {
            "200": success(
                "The row as it is stored now.",
                ref("schemas", model_name(resource)),
                examples.stored_one(resource),
                "ETag",
                "Preference-Applied",
            ),
            "204": success(
                "Stored; no body, as `return=minimal` asks, or too large a one to be answered.",
                None,
                None,
                "ETag",
                "Preference-Applied",
            ),
        },
        "problems": _problems(
            *_BODY, errors.NotFoundError, errors.ConflictError, errors.PreconditionFailedError, *_WRITING
        ),
    }


def _delete(resource: Resource) -> Schema:
    return {
        "operationId": f"delete_{resource.name}",
        "summary": f"Delete one {_said(resource)}",
        "description": "A row that others refer to stays.",
        "tags": [resource.name],
        "parameters": [ref("parameters", "ifMatch")],
        "responses": {
            "204": success("The row is gone.", None),
        },
        "problems": _problems(errors.NotFoundError, errors.ConflictError, errors.PreconditionFailedError, *_WRITING),
    }


def _links_to_one(resource: Resource, key: str) -> dict[str, Any]:
    return {
        f"{verb}_{resource.name}": {
            "operationId": f"{verb}_{resource.name}",
            "parameters": {resource.key: key},
            "description": f"The {resource.key} of the answer names the row.",
        }
        for verb in ("get", "replace", "update", "delete")
    }


def _many(schema: Schema, **limits: int) -> Schema:
    return {"type": "array", "maxItems": MAX_ROWS, "items": schema, **limits}


def _problems(*kinds: type[ApiError]) -> list[ProblemType]:
    # The document makes responses of them, with those that API Gateway adds.
    return [of(kind) for kind in kinds]


def _said(resource: Resource) -> str:
    return model_name(resource).lower()
