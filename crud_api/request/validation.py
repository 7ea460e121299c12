"""From the members of a body to the values of a row: every error of every field at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from crud_api.errors import InvalidFieldsError
from crud_api.request.made_keys import uuid7
from crud_api.resource import Resource
from crud_api.resource.resource import KeyValues
from query_executor.contract import Value

Values = dict[str, Value]
Errors = dict[str, str]  # what is wrong, by the JSON pointer to where it is

_MAX_ERRORS = 1000  # in one answer, which has a limit too
_MAX_NAME = 100  # characters of a field's name that an answer repeats
_FRAGMENT = "!$&'()*+,;=:@?~"  # what a URI's fragment may have, beside letters, digits and -._ (RFC 3986, section 3.5)


def new_row(resource: Resource, body: Mapping[str, Any]) -> Values:
    """The values of a row to be inserted. Raises `InvalidFieldsError`."""
    errors: Errors = {}
    values = with_defaults(resource, converted(resource, body, errors), body, errors)
    refuse(errors)
    return values


def changes(resource: Resource, body: Mapping[str, Any], key: KeyValues) -> Values:
    """The values that change in the row of this key. Absent fields stay as they are. Raises `InvalidFieldsError`."""
    # A key may stay as it is, even if another program or an older rule made it.
    errors: Errors = {}
    own = dict(zip(resource.key_columns, key, strict=True))
    values = converted(resource, {name: value for name, value in body.items() if name not in own}, errors)
    for name, value in own.items():
        if name in body and not resource.fields[name].column.same(body[name], value):
            errors[pointer(name)] = f"{name} must equal the key in the path: a key cannot change"
    refuse(errors)
    return values


def converted(resource: Resource, body: Mapping[str, Any], errors: Errors, at: str = "#") -> Values:
    """The values that the body has. What is wrong goes to `errors`, under pointers that begin with `at`."""
    values: Values = {}
    for name, value in body.items():
        field = resource.fields.get(name)
        if field is None and len(name) > _MAX_NAME:
            errors[at] = f"a name of {len(name)} characters is not a field of this resource"
        elif field is None:
            errors[pointer(name, at)] = f"{name} is not a field of this resource"
        elif name in resource.read_only:  # a row that is sent back has it, and the server sets it anyway
            continue
        elif value is None and not field.column.takes_null:
            if field.nullable:
                values[name] = None
            else:
                errors[pointer(name, at)] = f"{name} {field.column.must}, not null"
        else:
            try:
                values[name] = field.column.parse_json(value)
            except ValueError as error:
                errors[pointer(name, at)] = f"{name} {error}"
    return values


def with_defaults(resource: Resource, values: Values, body: Mapping[str, Any], errors: Errors, at: str = "#") -> Values:
    """The values of a new row: those of the body and, where it has none, declared defaults and a made key."""
    made = resource.made_by_api
    for name, field in resource.fields.items():
        if name in body or name in resource.read_only:
            continue
        if field.required:
            errors[pointer(name, at)] = f"{name} is missing"
        elif field.stored_default is not None:
            values[name] = field.stored_default
        elif name == made:
            values[name] = uuid7()
    return values


def refuse(errors: Errors) -> None:
    """Raise `InvalidFieldsError` if there are errors."""
    if errors:
        more = len(errors) - _MAX_ERRORS
        raise InvalidFieldsError(
            "Nothing was stored. Each error names its field." + (f" {more} more are left out." if more > 0 else ""),
            errors=[{"detail": detail, "pointer": at} for at, detail in list(errors.items())[:_MAX_ERRORS]],
        )


def pointer(name: str, at: str = "#") -> str:
    """The JSON pointer of a field below `at`, as a URI fragment (RFC 6901, section 6)."""
    return f"{at}/{quote(name.replace('~', '~0').replace('/', '~1'), safe=_FRAGMENT, errors='replace')}"
