"""Texts that end with a space have to fit their columns: PostgreSQL cuts spaces beyond varchar(n) without an error.

What is too long fails as any other text that is too long (22001). No other text costs anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from crud_api.resource import Resource
from crud_api.sql.names import table
from query_executor.contract import Param, Value

_LAST = (" ", "}", ")")  # of a text that may hold such a text: itself, an array, a composite type
# How such a text ends in JSON: alone, within an array or a composite type, escaped in an array.
_IN_JSON = (' "', " \\", " ,", " )", "\\ ")
# The type below domains and arrays has the length. A field of a composite type has a type of its own.
_FITS = """(SELECT count(pg_catalog."varchar"(repeat('_', least(spaced.length, modifier - 3)), modifier, false))
            FROM json_to_recordset(:{param}) AS spaced ("table" text, "column" text, field text, length int),
            LATERAL (
              WITH RECURSIVE of_column (type, modifier) AS (
                SELECT atttypid, atttypmod FROM pg_catalog.pg_attribute
                WHERE attrelid = to_regclass(spaced."table") AND attname = spaced."column"
                UNION ALL
                SELECT below.* FROM of_column JOIN pg_catalog.pg_type AS own ON own.oid = of_column.type, LATERAL (
                  SELECT typbasetype, CASE WHEN modifier < 0 THEN typtypmod ELSE modifier END WHERE typtype = 'd'
                  UNION ALL
                  SELECT typelem, modifier WHERE typtype <> 'd' AND typcategory = 'A'
                  UNION ALL
                  SELECT atttypid, atttypmod FROM pg_catalog.pg_attribute
                  WHERE typtype = 'c' AND attrelid = typrelid AND attname = spaced.field
                ) AS below
              )
              SELECT modifier FROM of_column
              WHERE type IN ('pg_catalog.varchar'::regtype, 'pg_catalog.bpchar'::regtype) AND modifier > 3
            ) AS limited) >= 0"""


def may_be_spaced(rows: str) -> bool:
    """Whether rows as JSON may have a text that ends with a space."""
    return any(end in rows for end in _IN_JSON)


def fits(rows: Iterable[tuple[Resource, Mapping[str, Value]]], params: dict[str, Param], param: str = "spaced") -> str:
    """SQL that is true, or fails where a text is too long; empty where none ends with a space. Adds its param."""
    longest: dict[tuple[str, str, str | None], int] = {}
    for resource, row in rows:
        for name, value in row.items():
            if isinstance(value, str) and value.endswith(_LAST):
                for field, length in resource.fields[name].column.spaced(value):
                    place = (table(resource), name, field)
                    longest[place] = max(length, longest.get(place, 0))
    if not longest:
        return ""
    while param in params:
        param += "_"
    params[param] = json.dumps(
        [
            {"table": of, "column": column, "field": field, "length": length}
            for (of, column, field), length in longest.items()
        ]
    )
    return _FITS.format(param=param)
