"""Finds row security that would silently not apply to requests.

PostgreSQL applies no policy to superusers, to roles with BYPASSRLS and, unless it is forced, to the owner of the table
(check_enable_rls in src/backend/utils/misc/rls.c). A view reads its tables with the rights of its owner.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from psycopg2.extensions import connection

from query_executor.migrate.catalogue import FOUND, WANTED
from query_executor.migrate.declared import Difference, Table
from query_executor.migrate.identifiers import named, quoted

_OTHER_USER = "let requests connect as another user (GRANT crud_api TO ...;)"

# Every table that requests of a reader read, also through views: as which role, through which view and, for the tables
# with a problem, why their policies do not apply. A view with security_invoker reads as the current user, also within
# other views. A materialized view has the rows that its owner saw. The policy of a view may be a condition of its own,
# on the settings of a request.
_UNAPPLIED = f"""
WITH RECURSIVE {WANTED}, declared AS (
  SELECT n, c.oid, nspname, relname FROM wanted JOIN {FOUND}
), reads (n, reader, as_role, relation, through, stored, filters) AS (
  SELECT n, readers.oid, readers.oid, declared.oid, NULL::oid, false, false
  FROM declared, pg_roles AS readers WHERE rolname = ANY (%(readers)s)
  UNION
  SELECT reads.n, reads.reader,
         CASE WHEN v.relkind = 'v' AND EXISTS (
           SELECT FROM pg_options_to_table(v.reloptions)
           WHERE option_name = 'security_invoker' AND option_value::boolean) THEN reads.reader ELSE v.relowner END,
         d.refobjid, v.oid, reads.stored OR v.relkind = 'm',
         reads.filters OR (v.relkind = 'v' AND NOT reads.stored AND pg_get_viewdef(v.oid) ~ 'current_setting')
  FROM reads JOIN pg_class AS v ON v.oid = reads.relation AND v.relkind IN ('v', 'm')
  JOIN pg_rewrite AS w ON w.ev_class = v.oid AND w.ev_type = '1'
  JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
), reasons AS (
  SELECT reads.*, t.relname, t.relnamespace, CASE
      WHEN NOT t.relrowsecurity THEN CASE
        WHEN EXISTS (SELECT FROM pg_policy WHERE polrelid = t.oid) THEN 'off'
        WHEN EXISTS (SELECT FROM pg_partition_tree(t.oid) AS part JOIN pg_class ON pg_class.oid = part.relid
                     WHERE relrowsecurity) THEN 'parts' END
      WHEN filters THEN NULL
      WHEN role.rolsuper THEN 'superuser'
      WHEN role.rolbypassrls THEN 'bypass'
      WHEN pg_has_role(role.oid, t.relowner, 'USAGE') AND NOT t.relforcerowsecurity THEN 'owner'
      WHEN stored THEN 'stored' END AS reason
  FROM reads JOIN pg_class AS t ON t.oid = reads.relation AND t.relkind IN ('r', 'p')
  JOIN pg_roles AS role ON role.oid = reads.as_role
)
SELECT reason, json_build_array(space.nspname, reasons.relname), pg_get_userbyid(reader), pg_get_userbyid(as_role),
       reader = as_role AND NOT stored, stored,
       (SELECT json_build_array(nspname, relname) FROM declared WHERE declared.n = reasons.n),
       (SELECT json_build_array(nspname, v.relname)
        FROM pg_class AS v JOIN pg_namespace ON pg_namespace.oid = v.relnamespace WHERE v.oid = through)
FROM reasons JOIN pg_namespace AS space ON space.oid = reasons.relnamespace
WHERE reason IS NOT NULL
ORDER BY n, space.nspname, reasons.relname, reader, through
"""  # noqa: S608 - of the texts above


class _Unapplied(NamedTuple):
    """A table whose policies do not apply, and why. `through` is the view that reads it, and is null without a view."""

    reason: str
    table: Sequence[str]
    reader: str
    as_role: str
    is_readers: bool
    is_stored: bool
    declared: Sequence[str]
    through: Sequence[str] | None


def unapplied(
    source: connection, tables: Sequence[Table], role: str | None, others: Sequence[str] = ()
) -> list[Difference]:
    """What keeps row security from the requests of `role`, or of `others`, to which requests are switched.

    Without `role` it is the user of the connection, and nothing stops: this may be a superuser on purpose.
    """
    names = json.dumps([table["table"] for table in tables])
    first = role or source.info.user
    with source.cursor() as cursor:
        cursor.execute(_UNAPPLIED, {"tables": names, "readers": [first, *others]})
        found = [_Unapplied(*row) for row in cursor.fetchall()]
    by_view = _invokers(source)
    every: list[Difference] = [
        *_of_attributes(first, found, stops=role is not None),
        *(difference for one in found for difference in _of_table(one, first, by_view, stops=role is not None)),
    ]
    return list(dict.fromkeys(every))


def _of_attributes(role: str, found: Sequence[_Unapplied], *, stops: bool) -> Iterator[Difference]:
    """The role of the requests is above all policies. `target_differences` says this of the others."""
    for reason, what, cure in (
        ("superuser", "is a superuser", f"L{_OTHER_USER[1:]}."),
        ("bypass", "has BYPASSRLS", f"Run: ALTER ROLE {quoted(role)} NOBYPASSRLS; or {_OTHER_USER}."),
    ):
        exposed = [named(one.table) for one in found if one.reason == reason and one.reader == role and one.is_readers]
        if exposed:
            yield Difference(
                f"The role {quoted(role)} {what}, so the row security of {', '.join(dict.fromkeys(exposed))} does not "
                "apply to requests: each caller would see and change the rows of all.",
                cure,
                stops,
            )


def _of_table(one: _Unapplied, first: str, by_view: str, *, stops: bool) -> Iterator[Difference]:
    table, shown = named(one.table), named(one.declared)
    if one.reason == "off":
        yield Difference(
            f"{table} has policies, and row security is not enabled: they do not apply.",
            f"Run: ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;",
            stops=False,
        )
    elif one.reason == "parts":
        yield Difference(
            f"Partitions of {table} have row security, which does not apply to requests: they read {table} itself.",
            f"Make the policies for it, then run: ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;",
            stops=False,
        )
    elif one.is_readers:
        if one.reason == "owner":
            yield Difference(
                f"The role {quoted(one.reader)} has the rights of the owner of {table}, so its row security does not "
                "apply to requests: each caller would see and change the rows of all.",
                f"Run: ALTER TABLE {table} FORCE ROW LEVEL SECURITY; or {_OTHER_USER}.",
                stops or one.reader != first,
            )
    elif one.is_stored:
        yield Difference(
            f"{shown} shows rows of {table} without its row security: a materialized view keeps the rows that its "
            "owner saw.",
            "Do not serve it. Serve a view that selects from it the rows of a caller, by "
            "current_setting('request.jwt.claims', true).",
            stops=False,
        )
    else:
        through = named(one.through or one.declared)
        yield Difference(
            f"{shown} shows rows of {table} without its row security: the view {through} reads them with the rights of "
            f"its owner {quoted(one.as_role)}.",
            by_view.format(through),
            stops=False,
        )


def _invokers(source: connection) -> str:
    own = "select the rows of a caller in the view, by current_setting('request.jwt.claims', true)."
    if source.server_version >= 150000:
        return f"Run: ALTER VIEW {{}} SET (security_invoker = true); or {own}"
    return f"Do not serve it, or {own}"
