"""Prepares repeated statements, so that PostgreSQL parses and plans them once for a connection.

For a statement of the API, parsing and planning is most of the database's work. A plain statement is prepared when its
text comes the second time, with a parameter for each string param. It is prepared again when one of its tables has
changed. It is sent as it is if a string could mean something else as a parameter: if the text itself contains a quoted
string or a $, if it has a param in GROUP BY, ORDER BY or DISTINCT, or if a parameter has the type interval.

Numbers stay in the text, because the plan depends on them. A parameter takes its type from its place, like a literal,
but keeps the type when a column gets another type. So a guard runs before the statement. It selects no row of the
tables, and fails if they no longer have the columns that the statement was prepared with.

Some failures come from the run of a statement: a duplicate key, a check, RAISE, a missing right. The statement is then
not sent again. If the plan may be the reason of a failure, the statement is explained, which does not run it. If
EXPLAIN fails too, nothing has run, and the statement is sent in another way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from psycopg2.extensions import adapt

from query_executor.scanner import ScannedStatement
from query_executor.values import Literal

_MOST = 50  # prepared statements of a connection; each takes some 0.1 MB of the server's memory
_LONGEST = 10_000  # characters; a longer text is rarely repeated, and all texts are kept in memory
_PLACE = re.compile(r"%\(([^)]+)\)s|%%")

_TAKEN = "42P05"  # another statement has the name: the same text, with a number in the place of a param
_LOST = "26000"  # the session does not know the name: a pooler changed the session, or a trigger ran DEALLOCATE
# Only the run of a statement fails with these: duplicates and references, the check of a view, locks, resources
# (PostgreSQL documentation, appendix A). Planning may fail with all others: a table, a type or a right is gone, or a
# value does not fit.
_OF_THE_RUN = ("08", "21", "23001", "23503", "23505", "23P01", "25", "40", "44", "53", "55", "57")
# The plan is no longer right, or PostgreSQL cannot make it: syntax or a type that cannot be found (42), too many
# columns (54), a type that was dropped and created again (XX).
_OF_THE_PLAN = ("0A", "26", "42", "54", "XX")
# A value does not fit its type. A literal fails even if no row needs it. A parameter, in one plan for all values, fails
# only if a row needs it. With a domain it is the opposite. The executor returns the result of the way that succeeds.
_UNFIT = "22"

# What identifies a statement: its text, its largest number of rows, its role, and what is written in the place of each
# param.
_Shape = tuple[str | int | None, ...]
# PostgreSQL may choose one plan for all values. For a page of a common value the best plan reads an index in the order
# of the page. For a rare value this plan would read every row.
_PLANNED_BY_VALUE = "SET LOCAL plan_cache_mode = force_custom_plan; "
_PLANNED_ONCE = "SET LOCAL plan_cache_mode = force_generic_plan; "
# Makes the guard of the statement {0} from the tables that this transaction has locked to plan it. A table that only a
# view reads is left out, because the view has its own columns, and this role may have no right to read the table. The
# name of a table or of a parameter's type has to mean the same table or type each time. PostgreSQL itself does not
# notice a new table or type that comes earlier in the search_path, or another type that took over the name.
_GUARD = """
    ; DO $guard$ BEGIN
      IF (SELECT 'interval'::regtype = ANY (parameter_types) FROM pg_prepared_statements WHERE name = '{0}') THEN
        RAISE indeterminate_datatype;  -- 'interval minute' reads a literal differently from a parameter
      END IF;
      EXECUTE (
        WITH used AS (
          SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS name
          FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.oid >= 16384
            AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        ), found AS (
          SELECT format('pg_table_is_visible(%s)', oid) AS again FROM used WHERE pg_table_is_visible(oid)
          UNION
          SELECT format('to_regtype(%L) = %s::regtype', type::text, type::oid)
          FROM pg_prepared_statements, unnest(parameter_types) AS type WHERE name = '{0}' AND type::oid >= 16384
        )
        SELECT 'PREPARE {0}_guard AS SELECT' || coalesce(' * FROM ' || string_agg(DISTINCT name, ', '), '')
               || ' WHERE CASE WHEN ' || coalesce((SELECT string_agg(again, ' AND ') FROM found), 'true')
               || ' THEN false ELSE current_setting(''another one was found'') IS NULL END'
        FROM used WHERE has_table_privilege(oid, 'SELECT') OR NOT EXISTS (
          SELECT FROM used AS view JOIN pg_rewrite w ON w.ev_class = view.oid JOIN pg_depend d ON d.objid = w.oid
          WHERE view.relkind = 'v' AND d.refobjid = used.oid AND view.oid <> used.oid)
      );
    EXCEPTION WHEN OTHERS THEN
      DEALLOCATE {0};
      RAISE;
    END $guard$"""


# The way in which the statement was sent last. After _LAST there is no other way.
_AS_IT_IS, _PREPARED, _NEWLY_PREPARED, _PLANNED, _PLANNED_AFTER_AS_IT_IS, _LAST = range(6)


class Retry:
    """Another way to send a statement that failed. `message` has the commands. None means the statement as it is."""

    __slots__ = ("message",)

    def __init__(self, message: str | None) -> None:
        self.message = message


class Prepared:
    """The statements that a connection has prepared, and how the last statement was sent."""

    def __init__(self) -> None:
        self._ready: dict[_Shape, tuple[str, str]] = {}  # the commands to execute and to drop each; oldest first
        self._seen: set[_Shape] = set()
        self._refused: set[_Shape] = set()
        # Whether so many statements were refused that the session should drop them. Some are still prepared in it.
        self.is_crowded = False
        self._way = _LAST
        self._plan = ""
        self._is_lost = False  # the statement that was refused last is not on the server
        self._last: tuple[ScannedStatement, Mapping[str, object], int | None, _Shape, str]

    def message(
        self, statement: ScannedStatement, params: Mapping[str, object], most: int | None, role: str | None = None
    ) -> str | None:
        """Return the commands that run the prepared statement, or None if it has to be sent as it is.

        The result has at most `most` rows. `params` are values that psycopg2 accepts. A statement is prepared for a
        `role`, because the rights to a schema and to a function count only when it is prepared.
        """
        arguments: list[str] = []
        written: list[str] = []  # for each place, the cast of the argument or the value
        for name in statement.places:
            value = params[name]
            if isinstance(value, Literal):
                arguments.append(value.literal)
                written.append(value.cast)
            else:
                written.append(str(adapt(value).getquoted().decode()))
        shape = (statement.sql, most, role, *written)
        values = f"({', '.join(arguments)})" if arguments else ""
        self._last = (statement, params, most, shape, values)
        self._plan = _PLANNED_BY_VALUE if values and statement.is_page_of_value else ""
        if (ready := self._ready.get(shape)) is not None:
            self._way = _PREPARED
            return f"{self._plan}{ready[0]}{values}"
        self._is_lost = False
        if len(statement.sql) > _LONGEST or shape in self._refused:
            self._way = _LAST
            return None
        if not _came_before(shape, self._seen):
            self._way = _AS_IT_IS
            return None
        self._way = _NEWLY_PREPARED
        return self._prepare()

    def explanation(self, sqlstate: str | None) -> Retry | None:
        """Return the commands that explain the last statement in the way in which it was sent, after its guard.

        It is None if only the run of the statement can fail with this SQLSTATE.
        """
        way, (_, _, _, shape, values) = self._way, self._last
        if way == _LAST:
            if self._is_lost:  # for example because a table is missing now
                self._refused.discard(shape)
                self.is_crowded = len(self._refused) >= _MOST
            return None
        if sqlstate is None or sqlstate.startswith(_OF_THE_RUN):
            return None
        if way == _AS_IT_IS:
            return Retry(None) if values and sqlstate.startswith(_UNFIT) else None
        guard, execute, name = self._ready[shape][0].rpartition("EXECUTE")
        return Retry(f"{self._plan}{guard}EXPLAIN {execute}{name}{values}")

    def another(self, sqlstate: str, explained: str | None) -> Retry | None:
        """Choose another way to send the last statement, which failed before it ran. None if no way is left.

        `explained` is the SQLSTATE of its explanation.
        """
        way, (_, _, _, shape, values) = self._way, self._last
        if way == _PLANNED_AFTER_AS_IT_IS:
            return None
        if way == _AS_IT_IS:
            self._way = _PLANNED_AFTER_AS_IT_IS
            return self._planned_once()
        if not sqlstate.startswith(_OF_THE_PLAN):
            if not values:
                return None
            if way != _PLANNED:
                self._way = _PLANNED
                return self._planned_once()
        else:
            _, drop = self._ready.pop(shape, ("", ""))
            if way == _PREPARED:
                self._way = _NEWLY_PREPARED
                return Retry(("" if sqlstate == _LOST else drop) + self._prepare())
            self._refused.add(shape)
            self.is_crowded = len(self._refused) >= _MOST
            self._is_lost = explained == _LOST
        self._way = _LAST
        return Retry(None)

    def did_run(self, sqlstate: str, explained: str | None) -> bool:
        """Whether the last statement failed while it ran. `explained` is the SQLSTATE of its explanation, or None."""
        could_not_be_prepared = self._way != _PREPARED and (explained == _LOST or sqlstate == _TAKEN)
        return explained != sqlstate and not could_not_be_prepared

    def _planned_once(self) -> Retry:
        values, ready = self._last[4], self._ready.get(self._last[3])
        self._plan = _PLANNED_ONCE
        return Retry(self._prepare() if ready is None else f"{self._plan}{ready[0]}{values}")

    def _prepare(self) -> str:
        """The commands that prepare the last statement and run it."""
        statement, params, most, shape, values = self._last
        text = _with_places(statement.sql, params) if params else statement.sql
        name = _name(text, most, shape[2])
        guard, drop, execute = "", f"DEALLOCATE {name}; ", f"EXECUTE {name}"
        if values:
            guard, drop = _GUARD.format(name), f"{drop}DEALLOCATE {name}_guard; "
            execute = f"EXECUTE {name}_guard; {execute}"
        self._ready[shape] = (execute, drop)
        dropped = self._ready.pop(next(iter(self._ready)))[1] if len(self._ready) > _MOST else ""
        # The text is first prepared alone, because the parentheses could complete an incomplete text.
        bound = f"{text}\n; DEALLOCATE {name}; PREPARE {name} AS SELECT * FROM ({text}\n) AS result LIMIT {most}"  # noqa: S608
        return f"{dropped}PREPARE {name} AS {text if most is None else bound}\n{guard}; {self._plan}{execute}{values}"


def _with_places(text: str, params: Mapping[str, object]) -> str:
    number = 0

    def place(match: re.Match[str]) -> str:
        nonlocal number
        if match[0] == "%%":
            return "%"
        value = params[match[1]]
        if not isinstance(value, Literal):
            return str(adapt(value).getquoted().decode())
        number += 1
        return value.written(f"${number}")

    return _PLACE.sub(place, text)


def _came_before(shape: _Shape, seen: set[_Shape]) -> bool:
    if shape in seen:
        return True
    if len(seen) >= _MOST:
        seen.clear()
    seen.add(shape)
    return False


def _name(text: str, most: int | None, role: str | int | None) -> str:
    from hashlib import sha256  # noqa: PLC0415 - the first answer after a cold start does not need it

    # The name is a hash of the text, so the same name always means the same statement, even behind a pooler.
    key = text if most is None else f"{most} {text}"
    if role is not None:
        key = f"{role}\n{key}"
    return f"crud_{sha256(key.encode()).hexdigest()[:32]}"
