"""From the body and the parameters of a request to the rows that it stores or changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from crud_api.errors import MalformedBodyError, PostgrestError
from crud_api.request.body import parse_json
from crud_api.request.conditions import Condition, Filter
from crud_api.request.inserts import Conflict, RowInsert, TableInsert
from crud_api.request.made_keys import uuid7
from crud_api.request.operators import EQUAL
from crud_api.request.parameters import Parameters
from crud_api.request.postgrest.bodies import Body, require_alike
from crud_api.request.postgrest.grammar import COMMA, Source
from crud_api.request.postgrest.prefer import Preferences
from crud_api.request.postgrest.select import no_column
from crud_api.request.validation import Errors, Values, converted, refuse, with_defaults
from crud_api.request.versions import Conditions
from crud_api.request.writing import Change, Insertion
from crud_api.resource import Resource
from crud_api.resource.columns.column import Column

_CONFLICTS: Mapping[str | None, Conflict] = {"merge-duplicates": "merge", "ignore-duplicates": "ignore"}


def insertion_of(resource: Resource, body: Body, parameters: Parameters, preferences: Preferences) -> Insertion:
    """What a POST stores. Raises `ApiError`."""
    target = _names(parameters, "on_conflict")
    for name in target or ():
        if name not in resource.fields:
            raise no_column(resource, name)
    target = resource.key_columns if target is None else target
    return Insertion(
        rows=_rows(resource, body, _columns(resource, body, parameters, target), preferences, is_new=True),
        is_json=not resource.strict,
        target=target,
        conflict=_CONFLICTS.get(preferences.resolution, "") if target else "",
    )


def placing_of(
    resource: Resource,
    body: Body,
    parameters: Parameters,
    preferences: Preferences,
    conditions: Sequence[Condition],
) -> Insertion:
    """What a PUT stores: the row with the key in the filters. Raises `ApiError`."""
    if "limit" in parameters or "offset" in parameters:
        raise PostgrestError("limit/offset querystring parameters are not allowed for PUT", code="PGRST114")
    fields = [name for condition in conditions if (name := _equal(condition)) is not None]
    if not resource.key_columns or len(fields) < len(conditions) or {*fields} != {*resource.key_columns}:
        raise PostgrestError(
            "Filters must include all and only primary key columns with 'eq' operators", 405, "PGRST105"
        )
    rows = _rows(resource, body, _columns(resource, body, {}, resource.key_columns), preferences, is_new=True, most=1)
    if not rows.rows or not {*resource.key_columns} <= rows.rows[0].sent:
        raise other_key()
    return Insertion(
        rows=rows, is_json=not resource.strict, target=resource.key_columns, conflict="merge",
        conditions=tuple(conditions),
    )  # fmt: skip


def other_key() -> PostgrestError:
    """The error for a PUT whose body has another key than its filters."""
    return PostgrestError("Payload values do not match URL in primary key column(s)", code="PGRST115")


def change_of(
    resource: Resource,
    body: Body,
    parameters: Parameters,
    preferences: Preferences,
    conditions: Sequence[Condition],
    versions: Conditions,
) -> Change:
    """What a PATCH changes. Raises `ApiError`."""
    names = _columns(resource, body, parameters)
    sent = body.rows[0] if body.rows else {}
    by_default = preferences.applies_defaults and "columns" in parameters and body.rows
    return Change(
        rows=_rows(resource, body, names, preferences, is_new=False, most=1),
        is_json=not resource.strict,
        defaults=tuple(name for name in names if name not in sent) if by_default else (),
        conditions=tuple(conditions),
        versions=versions,
    )


def _equal(condition: Condition) -> str | None:
    """The column that has to equal a value, if the condition is this."""
    if not isinstance(condition, Filter) or condition.operator != EQUAL.name:
        return None
    return None if condition.is_negated or condition.path or condition.quantifier else condition.field


def _columns(resource: Resource, body: Body, parameters: Parameters, target: Sequence[str] = ()) -> Sequence[str]:
    """The columns that are written. Raises `PostgrestError`.

    A row that is sent back has read-only columns, too, and they are left out. Without a column of the target it would
    be another row.
    """
    listed = _names(parameters, "columns")
    if listed is None:
        require_alike(body)
    names = listed if listed is not None else tuple(body.rows[0]) if body.rows else ()
    for name in names:
        if name not in resource.fields:
            raise PostgrestError(
                f"Could not find the '{name}' column of '{resource.place[1]}' in the schema cache", code="PGRST204"
            )
        if name in resource.read_only and (listed is not None or name in target):
            raise PostgrestError(
                f'cannot insert a non-DEFAULT value into column "{name}"',
                code="428C9",
                details=f'Column "{name}" is a generated column.',
            )
    return [name for name in names if name not in resource.read_only]


def _names(parameters: Parameters, parameter: str) -> tuple[str, ...] | None:
    """The names that a parameter lists. Raises `PostgrestError`."""
    if parameter not in parameters:
        return None
    source = Source(parameters[parameter][-1], f"{parameter} parameter")
    names = [source.name()]
    while source.take(COMMA):
        names.append(source.name())
    source.end('"," or end of input')
    return tuple(dict.fromkeys(names))


def _rows(
    resource: Resource,
    body: Body,
    names: Sequence[str],
    preferences: Preferences,
    *,
    is_new: bool,
    most: int | None = None,
) -> TableInsert:
    """The rows with their values. Raises `InvalidFieldsError` for what a strict declaration forbids."""
    rows: list[RowInsert] = []
    errors: Errors = {}
    for place, row in enumerate(body.rows[:most]):
        at = body.at(place)
        if preferences.applies_defaults:
            given = {name: row[name] for name in names if name in row}
        else:
            given = {name: row.get(name, "null") for name in names}
        sent = frozenset(given)
        values: Values = {**given}
        if resource.strict:
            values = _checked(resource, given, errors, at, is_text=body.is_text)
            if is_new:
                values = with_defaults(resource, values, given, errors, at)
        elif is_new:
            values |= _made(resource, sent)
        rows.append(RowInsert(at, values, sent))
    refuse(errors)
    return TableInsert(resource, rows)


def _made(resource: Resource, sent: frozenset[str]) -> Values:
    """What a new row gets that comes without it: declared defaults and a made key, as JSON."""
    made: Values = {}
    for name, field in resource.fields.items():
        if name in sent or name in resource.read_only:
            continue
        if (default := field.stored_default) is not None:
            made[name] = str(default) if field.column.is_document else json.dumps(default)
        elif name == resource.made_by_api:
            made[name] = json.dumps(uuid7())
    return made


def _checked(resource: Resource, given: Mapping[str, str], errors: Errors, at: str, *, is_text: bool) -> Values:
    row = {name: parse_json(text) for name, text in given.items()}
    if is_text:
        row = {name: _typed(resource.fields[name].column, value) for name, value in row.items()}
    return converted(resource, row, errors, at)


def _typed(column: Column, text: object) -> object:
    """The value that a text of CSV or of a form means: a number or a truth if the column holds these."""
    if not isinstance(text, str) or column.is_text:
        return text
    try:
        column.parse_json(text)
    except ValueError:
        try:
            return parse_json(text)
        except MalformedBodyError:
            return text
    return text
