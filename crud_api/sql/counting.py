"""How many rows the conditions find: counted, or as the planner expects it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from crud_api.resource import Resource
from crud_api.sql.names import table, where

# Whether the caller may be kept from rows of the table :counted. The planner's estimate would count these rows. What a
# view reads is not looked up: it can be anything. chr(114) and chr(112) are the kinds of tables: with quoted strings
# the executor would not prepare the statement, and with IN or `= :counted` it would plan it for each value.
_HIDES = """(SELECT CASE WHEN relkind = chr(114) OR relkind = chr(112) THEN row_security_active(oid)
                         ELSE EXISTS (SELECT FROM pg_catalog.pg_class WHERE relrowsecurity) END
             FROM pg_catalog.pg_class WHERE :counted::regclass = oid)"""


def exact_if_hidden(every: str, otherwise: str = "") -> str:
    """The exact count if the caller may be kept from rows, or what `otherwise` adds to the CASE; else null."""
    return f"CASE WHEN {_HIDES} THEN {every}{otherwise} END"


def explained(resource: Resource, conditions: Sequence[str], alias: str = "") -> str:
    """The SQL whose result is a plan, which says how many rows the planner expects."""
    return f"EXPLAIN (FORMAT JSON) SELECT FROM {table(resource)}{alias and f' AS {alias}'}{where(conditions)}"


def expected(plan: str) -> int:
    """How many rows a plan expects."""
    return int(json.loads(plan)[0]["Plan"]["Plan Rows"])
