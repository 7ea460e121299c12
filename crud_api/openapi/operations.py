"""The operations on a resource: the parameters and the body of each view, and all its responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crud_api import errors
from crud_api.errors import ApiError
from crud_api.openapi import examples
from crud_api.openapi.field_schemas import ref
from crud_api.openapi.parameters import key_parameters, list_parameters
from crud_api.openapi.problem_types import ProblemType, of
from crud_api.openapi.replies import AGED, success
from crud_api.openapi.schemas import model_name
from crud_api.request.inserts import MAX_ROWS
from crud_api.request.listing import MAX_FILTERS
from crud_api.resource import Resource
from crud_api.resource.columns.column import Schema
from crud_api.resource.relations import Relations
from crud_api.response.responses import JSON

Kinds = tuple[type[ApiError], ...]

_EXECUTING: Kinds = (
    errors.RaisedError,
    errors.NotPermittedError,
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
    """The paths of a resource: its rows, one row, and the rows of other resources that refer to one row."""
    one, key = resource.path, [ref("parameters", name) for name in key_parameters(resource)]
    paths: dict[str, Schema] = {
        f"/{resource.name}": {"get": _list(resource, relations), "post": _create(resource, relations[resource.name])},
        f"/{resource.name}:batch": {"post": _create_many(resource)},
        one: {
            "parameters": key,
            "get": _get(resource, relations[resource.name]),
            "put": _change(resource, f"update_{resource.one}_by_put"),
            "patch": _change(resource, f"update_{resource.one}"),
            "delete": _delete(resource),
        },
    }
    for relation in relations[resource.name].values():
        if relation.many:
            paths[f"{one}/{relation.name}"] = {
                "parameters": key,
                "get": _list(relation.resource, relations, of=resource, called=relation.name),
            }
    return paths


def _list(
    resource: Resource, relations: Mapping[str, Relations], of: Resource | None = None, called: str = ""
) -> Schema:
    page = ref("schemas", f"{model_name(resource)}Page")
    aged = _aged(resource, of or resource)
    return {
        "operationId": f"list_{of.one}_{called}" if of else f"list_{resource.name}",
        "summary": f"List the {called} of one {_said(of)}" if of else f"List {resource.name}",
        "description": f"A row must pass all filters (at most {MAX_FILTERS}). Rows with equal `sort` are in the order "
        "of the key.",
        "tags": [resource.name],
        "parameters": list_parameters(resource, relations[resource.name]),
        "responses": {
            "200": success(
                "A page of rows. It can be empty.",
                page,
                examples.page(resource),
                "ETag",
                "Link",
                "Preference-Applied",
                *aged,
            )
            | {"links": _links_to_one(resource, "$response.body#/items/0/")},
            "304": success("The client already has this page.", None, None, "ETag", *aged),
        },
        "problems": _problems(errors.InvalidParameterError, *((errors.NotFoundError,) if of else ()), *_EXECUTING),
    }


def _create(resource: Resource, relations: Relations) -> Schema:
    found, links = examples.stored(resource), _links_to_one(resource, "$response.body#/")
    return {
        "operationId": f"create_{resource.one}",
        "summary": f"Create one {_said(resource)}",
        "description": f"This path also takes an array, like POST /{resource.name}:batch.",
        **_creation(resource, examples.new(resource, relations), found, "Location", links=links),
    }


def _create_many(resource: Resource) -> Schema:
    return {
        "operationId": f"create_many_{resource.name}",
        "summary": f"Create many {resource.name}",
        "description": f"Stores up to {MAX_ROWS} rows, all or none. The answer has them in the order of the request.",
        **_creation(resource, examples.many(resource), examples.stored_many(resource), many=True),
    }


def _creation(
    resource: Resource,
    sent: examples.Examples,
    found: examples.Examples,
    *headers: str,
    many: bool = False,
    links: Schema | None = None,
) -> Schema:
    name = model_name(resource)
    taken, answer = ref("schemas", f"New{name}"), ref("schemas", f"{name}View")
    if many:
        taken, answer = _many(taken, minItems=1), _many(answer)
    own = _STORED if not many else tuple(name for name in _STORED if name != "ETag")
    return {
        "tags": [resource.name],
        "parameters": [ref("parameters", "preferCreate"), ref("parameters", "idempotencyKey")],
        "requestBody": {"required": True, "content": {JSON: {"schema": taken, "examples": sent}}},
        "responses": {
            "200": success(
                "No row is new. With `resolution=merge-duplicates` the rows with these keys were changed.",
                answer,
                found,
                *own,
            ),
            "201": success("The stored rows. With `return=minimal` there is no body.", answer, found, *headers, *own)
            | ({"links": links} if links else {}),
            "204": success("Like 200, with `return=minimal`.", None, None, *own),
        },
        "problems": _problems(*_BODY, errors.ConflictError, *_IDEMPOTENCY, *_WRITING),
    }


def _get(resource: Resource, relations: Relations) -> Schema:
    taken = [f"{resource.name}.expand"] if relations else []
    row, aged = ref("schemas", f"{model_name(resource)}View"), _aged(resource)
    return {
        "operationId": f"get_{resource.one}",
        "summary": f"Get one {_said(resource)}",
        "description": "For If-Match use the ETag of an answer without `expand`.",
        "tags": [resource.name],
        "parameters": [ref("parameters", name) for name in (*taken, "ifNoneMatch")],
        "responses": {
            "200": success("The row.", row, examples.view(resource), "ETag", *aged),
            "304": success("The client already has this version.", None, None, "ETag", *aged),
        },
        "problems": _problems(errors.InvalidParameterError, errors.NotFoundError, *_EXECUTING),
    }


def _aged(*tables: Resource) -> tuple[str, ...]:
    """The headers of an answer with rows of these tables that may be some seconds old."""
    return AGED if all(table.max_age_s for table in tables) else ()


def _change(resource: Resource, name: str) -> Schema:
    change = ref("schemas", f"{model_name(resource)}Change")
    body = {"schema": change, "examples": examples.change(resource)}
    return {
        "operationId": name,
        "summary": f"Update fields of one {_said(resource)}",
        "description": "PUT behaves like PATCH: it changes only the fields that you send, and null clears (RFC 7396). "
        "PATCH also takes application/merge-patch+json.",
        "tags": [resource.name],
        "parameters": [ref("parameters", name) for name in ("preferReturn", "ifMatch", "ifNoneMatchChange")],
        "requestBody": {"required": True, "content": {JSON: body}},
        "responses": {
            "200": success(
                "The row after the change.",
                ref("schemas", model_name(resource)),
                examples.stored(resource),
                "ETag",
                "Preference-Applied",
            ),
            "204": success(
                "Stored. There is no body with `return=minimal`, or if the row is too large for an answer.",
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
        "operationId": f"delete_{resource.one}",
        "summary": f"Delete one {_said(resource)}",
        "description": "A row cannot be deleted while other rows refer to it.",
        "tags": [resource.name],
        "parameters": [ref("parameters", "ifMatch"), ref("parameters", "ifNoneMatchChange")],
        "responses": {
            "204": success("The row is gone.", None),
        },
        "problems": _problems(errors.NotFoundError, errors.ConflictError, errors.PreconditionFailedError, *_WRITING),
    }


def _links_to_one(resource: Resource, row: str) -> dict[str, Any]:
    is_are = "is" if len(resource.key_columns) == 1 else "are"
    return {
        name: {
            "operationId": name,
            "parameters": {column: f"{row}{column}" for column in resource.key_columns},
            "description": f"The {resource.said_key} of the answer {is_are} the key of the row.",
        }
        for name in (
            *(f"{verb}_{resource.one}" for verb in ("get", "update", "delete")),
            f"update_{resource.one}_by_put",
        )
    }


def _many(schema: Schema, **limits: int) -> Schema:
    return {"type": "array", "maxItems": MAX_ROWS, "items": schema, **limits}


def _problems(*kinds: type[ApiError]) -> list[ProblemType]:
    # `document` makes responses of these and of the problems that API Gateway adds.
    return [of(kind) for kind in kinds]


def _said(resource: Resource) -> str:
    return resource.one.replace("_", " ")
