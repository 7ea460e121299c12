"""Compares the roles to which requests may be switched with what they need."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg2.extensions import connection

from query_executor.migrate.catalogue import FOUND, WANTED
from query_executor.migrate.declared import Difference, Table
from query_executor.migrate.identifiers import named, quoted

_GROUP = "crud_api"  # of 0006-create-roles.sql: the executor's user has its rights from here

# For each role, in their order. `inheritors` are the members through which the reader has the rights of a role that has
# policies of its own: they apply to the reader too (check_role_for_policy in src/backend/rewrite/rowsecurity.c).
# `lacks` are the rights that a request with an Idempotency-Key needs, for a role that can create rows at all. SET is
# what SET ROLE needs since PostgreSQL 16; before, it is to be a member.
_TARGETS = f"""
WITH {WANTED}, declared AS (
  SELECT c.oid, c.relnamespace FROM wanted JOIN {FOUND}
), reader AS (
  SELECT oid, rolsuper FROM pg_roles WHERE rolname = %(role)s
)
SELECT json_build_object(
  'name', name,
  'exists', target.oid IS NOT NULL,
  'switched', coalesce((SELECT pg_has_role(reader.oid, target.oid, %(membership)s) FROM reader), true),
  'superuser', target.rolsuper,
  'bypass', target.rolbypassrls,
  'inheritors', (SELECT json_agg(DISTINCT pg_get_userbyid(member))
                 FROM reader JOIN pg_auth_members ON roleid = target.oid
                 WHERE NOT reader.rolsuper AND name <> '{_GROUP}'
                   AND pg_has_role(reader.oid, member, 'USAGE') AND pg_has_role(reader.oid, target.oid, 'USAGE')
                   AND EXISTS (SELECT FROM pg_policy JOIN declared ON declared.oid = polrelid
                               WHERE target.oid = ANY (polroles) AND polpermissive)),
  'reads', EXISTS (SELECT FROM declared WHERE has_schema_privilege(target.oid, relnamespace, 'USAGE')
                     AND has_any_column_privilege(target.oid, declared.oid, 'SELECT')),
  'lacks', (SELECT json_agg(wish) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wish
            WHERE NOT has_table_privilege(target.oid, to_regclass('demo.idempotency_keys'), wish)
              AND EXISTS (SELECT FROM declared WHERE has_any_column_privilege(target.oid, declared.oid, 'INSERT')))
)
FROM unnest(%(targets)s::text[]) WITH ORDINALITY AS listed (name, n) LEFT JOIN pg_roles AS target ON rolname = name
ORDER BY n
"""  # noqa: S608 - of the texts above


def target_differences(
    source: connection, tables: Sequence[Table], role: str | None, targets: Sequence[str]
) -> list[Difference]:
    """What keeps requests of `role` from being switched to each of the `targets`, and from being served then."""
    if not targets or not tables:
        return []
    role = role or source.info.user
    params = {
        "tables": json.dumps([table["table"] for table in tables]),
        "role": role,
        "targets": list(targets),
        "membership": "SET" if source.server_version >= 160000 else "MEMBER",
    }
    apart = " WITH INHERIT FALSE" if source.server_version >= 160000 else ""
    with source.cursor() as cursor:
        cursor.execute(_TARGETS, params)
        return [difference for (facts,) in cursor.fetchall() for difference in _target(facts, role, tables, apart)]


def _target(facts: Mapping[str, Any], role: str, tables: Sequence[Table], apart: str) -> Iterator[Difference]:
    target, example = quoted(facts["name"]), tables[0]["table"]
    switch = f"GRANT {target} TO {quoted(role)}{apart};"
    rights = f"GRANT USAGE ON SCHEMA {quoted(example[0] or 'public')} TO {target}; GRANT SELECT ON {named(example)}"
    rights += f" TO {target};"
    if not facts["exists"]:
        yield Difference(
            f"There is no role {target}, to which DB_ROLES or DB_DEFAULT_ROLE switches requests.",
            f"Run, with the rights that its callers should have: CREATE ROLE {target} NOLOGIN; {switch} {rights}",
        )
        return
    if not facts["switched"]:
        yield Difference(f"The role {quoted(role)} may not switch to the role {target}.", f"Run: {switch}")
    if facts["superuser"] or facts["bypass"]:
        what, without = ("is a superuser", "NOSUPERUSER") if facts["superuser"] else ("has BYPASSRLS", "NOBYPASSRLS")
        yield Difference(
            f"The role {target} {what}, so row security does not apply to requests that are switched to it.",
            f"Take it out of DB_ROLES and DB_DEFAULT_ROLE, or run: ALTER ROLE {target} {without};",
        )
    for member in facts["inheritors"] or []:
        yield Difference(
            f"The role {quoted(role)} has the rights of {target}, so the policies for {target} apply to requests that "
            f"are not switched to it, too: each caller would see and change what {target} may.",
            f"Run: {_separate(target, member, apart)}",
        )
    if not facts["reads"]:
        yield Difference(
            f"The role {target} can read none of the declared tables: requests that are switched to it are refused.",
            f"Grant what its callers should read, for example: {rights}",
            stops=False,
        )
    if lacks := facts["lacks"]:
        rights = ", ".join(lacks)
        yield Difference(
            f"The role {target} lacks {rights} on demo.idempotency_keys: its requests with an Idempotency-Key fail.",
            f"Run: GRANT USAGE ON SCHEMA demo TO {target}; GRANT {rights} ON demo.idempotency_keys TO {target};",
            stops=False,
        )


def _separate(target: str, member: str, apart: str) -> str:
    """The statements after which the member can be switched to the role, and no longer has its rights by itself."""
    if apart:
        return f"GRANT {target} TO {quoted(member)}{apart};"
    move = "" if member == _GROUP else f"REVOKE {target} FROM {quoted(member)}; GRANT {target} TO {_GROUP}; "
    return f"{move}ALTER ROLE {_GROUP} NOINHERIT;"
