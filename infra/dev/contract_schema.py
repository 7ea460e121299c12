"""The executor's wire contract as JSON Schema: `python -m infra.dev.contract_schema > docs/executor.schema.json`.

It is made from the classes of query_executor/contract/messages.py: members, types and defaults from their signatures,
descriptions from their docstrings. What a signature cannot say stands in `_LIMITS` below.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

from query_executor.contract import messages as contract
from query_executor.pg_types import CASTS

Schema = dict[str, Any]


class _Value:
    """Stands for `contract.Value`, which refers to itself and so is a definition of its own."""


_own = [part for part in get_args(contract.Param) if part not in get_args(contract.Value)]
_NAMES = vars(contract) | {"Value": _Value, "Param": Union[(_Value, *_own)]}

_URL = "https://json-schema.org/draft/2020-12/schema"
_CODES = [
    contract.INVALID_REQUEST,
    contract.STATEMENT_FAILED,
    contract.EXPECTATION_FAILED,
    contract.RESULT_TOO_LARGE,
    contract.DEADLINE_EXCEEDED,
    contract.UNAVAILABLE,
    contract.OUTCOME_UNKNOWN,
]
_NO_NUL = {"pattern": "^[^\\x00]*$"}
_LIMITS: Mapping[tuple[type, str], Schema] = {
    (contract.Request, "statements"): {"minItems": 1},
    (contract.Request, "deadline_ms"): {"minimum": 1},
    (contract.Request, "max_rows"): {"minimum": 1},
    (contract.Request, "role"): {
        **_NO_NUL,
        "minLength": 1,
        "maxLength": contract.MAX_NAME_BYTES,
        "not": {"const": "none"},
    },
    (contract.Request, "settings"): {
        "propertyNames": {"pattern": f"^{contract.SETTING_NAME}$", "maxLength": contract.MAX_NAME_BYTES},
        "additionalProperties": {"type": "string", **_NO_NUL},
    },
    (contract.Statement, "sql"): {**_NO_NUL, "maxLength": contract.MAX_SQL_CHARACTERS},
    (contract.Statement, "batch"): {"minItems": 1},
    (contract.Statement, "expect_rows"): {"minimum": 0},
    (contract.Typed, "type"): {"enum": sorted(CASTS)},
    (contract.FromResult, "result"): {"minimum": 0},
    (contract.Failure, "code"): {"enum": _CODES},
    (contract.Failure, "statement"): {"minimum": 0},
    (contract.Failure, "sqlstate"): {"pattern": "^[0-9A-Z]{5}$"},
    (contract.Failure, "retry_after_ms"): {"minimum": 0},
    (contract.Result, "row_count"): {"minimum": 0},
}


def schema() -> Schema:
    """The whole schema. A valid document is a request, a reply or a failure."""
    classes = [value for value in vars(contract).values() if _is_wire_class(value)]
    definitions = {kind.__name__: _object(kind) for kind in classes} | {"Value": _value()}
    _refine(definitions)
    return {
        "$schema": _URL,
        "$id": "urn:crud-api:executor",
        "title": "Query executor",
        "description": "What the query executor's Lambda function takes and answers. docs/executor.md explains it.",
        "anyOf": [_ref("Request"), _ref("Reply"), _ref("Failure")],
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _is_wire_class(value: object) -> bool:
    return isinstance(value, type) and "__slots__" in vars(value) and value.__module__ == contract.__name__


def _object(kind: type) -> Schema:
    """The parameters of a class's constructor, as the members of an object."""
    constructor: Callable[..., None] = vars(kind)["__init__"]
    hints = get_type_hints(constructor, _NAMES)
    members, required = {}, []
    is_answer = kind in {contract.Column, contract.Result, contract.Reply, contract.Failure}
    for name, parameter in list(inspect.signature(constructor).parameters.items())[1:]:
        members[name] = _limited(_of(hints[name]), _LIMITS.get((kind, name), {}))
        if parameter.default is inspect.Parameter.empty or is_answer:  # an answer always has all of its members
            required.append(name)
        else:
            members[name]["default"] = parameter.default
    return {
        "description": inspect.cleandoc(kind.__doc__ or ""),
        "type": "object",
        "properties": members,
        "required": required,
        "additionalProperties": False,
    }


def _limited(schema: Schema, limits: Schema) -> Schema:
    # null | T: the limits are T's, and "minimum" and its like say nothing of null. An enum would.
    if "enum" in limits and "null" in schema.get("type", []):
        limits = {**limits, "enum": [*limits["enum"], None]}
    return {**schema, **limits}


def _of(hint: Any) -> Schema:
    """The schema of a type."""
    simple = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
    if hint in simple:
        return {"type": simple[hint]}
    if hint in {_Value, "Value"}:
        return _ref("Value")
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {types.UnionType, Union}:
        return _union(arguments)
    if origin in {Sequence, list}:
        return {"type": "array", "items": _of(*arguments)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(arguments[1])}
    if _is_wire_class(hint):
        return _ref(hint.__name__)
    raise TypeError(f"no schema for {hint}")


def _union(members: tuple[Any, ...]) -> Schema:
    schemas = [_of(member) for member in members]
    if not all("type" in schema for schema in schemas):
        return {"anyOf": schemas}
    merged: Schema = {"type": [schema["type"] for schema in schemas]}
    for schema in schemas:
        merged |= {name: rule for name, rule in schema.items() if name != "type"}
    return merged


def _value() -> Schema:
    # NUL is the only character that a JSON string can hold and PostgreSQL's text cannot.
    members = [_of(member) for member in get_args(contract.Value)]
    return {
        "description": "null, a boolean, a number, PostgreSQL's own text of any other value, or an array of values.",
        "anyOf": [schema | _NO_NUL if schema == {"type": "string"} else schema for schema in members],
    }


def _refine(definitions: dict[str, Schema]) -> None:
    """Add the rules about several members at once, and the forms on the wire that no class has."""
    statement, request, typed = definitions["Statement"], definitions["Request"], definitions["Typed"]
    # A batch has neither params nor expect_rows beside it.
    alone = {"properties": {"params": {"type": "null"}, "expect_rows": {"type": "null"}}}
    statement["if"] = {"properties": {"batch": {"type": "array"}}, "required": ["batch"]}
    statement["then"] = alone
    # json and jsonb take any JSON; a string is the JSON's text.
    typed["properties"]["value"] = {}
    typed["if"] = {"properties": {"type": {"enum": ["json", "jsonb"]}}}
    typed["then"] = {"properties": {"value": {"if": {"type": "string"}, "then": _NO_NUL}}}
    typed["else"] = {"properties": {"value": _ref("Value")}}
    # One statement can stand in the request itself.
    options = {name: rule for name, rule in request["properties"].items() if name != "statements"}
    several = {name: request.pop(name) for name in ("type", "properties", "required", "additionalProperties")}
    single = {**statement, "properties": {**statement["properties"], **options}}
    request["anyOf"] = [
        {"title": "Statements", **several},
        {"title": "One statement", **{name: rule for name, rule in single.items() if name != "description"}},
    ]
    failure = definitions["Failure"]
    members = {name: failure.pop(name) for name in ("type", "properties", "required", "additionalProperties")}
    failure |= {
        "type": "object",
        "properties": {"failure": {"type": "object", **members}},
        "required": ["failure"],
        "additionalProperties": False,
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


if __name__ == "__main__":
    sys.stdout.write(text())
