"""Statements that come again: PostgreSQL reads and plans each once a connection, and from then on only runs it.

For a statement of the API that is most of the database's work. A plain statement is prepared the second time its text
comes, each string param a parameter, and prepared anew when one of its tables has changed. It is sent as it is where a
string could mean something else as a parameter: it has a quoted string or a $ of its own, a param in GROUP BY, ORDER BY
or DISTINCT, or a parameter of the type interval.

Numbers stay in the text, for the sake of the plan. A parameter takes its type as a literal does, from where it stands,
but keeps it when a column gets another type. So a guard runs before the statement: it selects no row of its tables, and
fails when their columns are no longer those that it was prepared with.

A failure that is the database's answer costs one execution: a duplicate key, a check, RAISE, a refused right. A failure
that may come from the plan is explained, which runs nothing: only where EXPLAIN fails too, so that nothing has run, is
the statement sent in another way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from psycopg2.extensions import adapt

from query_executor.scanner import ScannedStatement
from query_executor.values import Literal

_MOST = 50  # statements a connection keeps; each takes some 0.1 MB of the server's memory
_LONGEST = 10_000  # characters; a longer text is hardly one that comes again, and all of them are kept here
_PLACE = re.compile(r"%\(([^)]+)\)s|%%")

_CHANGED = "0A000"  # the result's or the guard's columns are no longer the prepared ones
_TAKEN = "42P05"  # the name is taken: by the same text with a number where this one has a param
_LOST = "26000"  # this session does not know the name: a pooler's other session, or a trigger's DEALLOCATE
# What only a run finds: duplicates and references, a view's check, locks, resources (PostgreSQL documentation,
# appendix A). What is not here a plan may find: a table, a type or a right that has gone, a value that does not fit.
_OF_THE_RUN = ("08", "21", "23001", "23503", "23505", "23P01", "25", "40", "44", "53", "55", "57")
# A plan that is no longer right, or that PostgreSQL does not make: syntax or a type that cannot be found (42), too many
# columns (54), a type that was made anew (XX).
_OF_THE_PLAN = ("0A", "26", "42", "54", "XX")
# A value that does not fit its type. As a literal it fails even where no row would need it; as a parameter in one plan
# for all values it does not. Of a domain it is the other way round. The answer is then that of the way that succeeds.
_UNFIT = "22"

# A statement with all that makes it another one: its text, the most rows, and what is written in each place.
_Shape = tuple[str | int | None, ...]
# By itself PostgreSQL may make one plan for all values. For a page of a common value that is an index with the order,
# in which a page of a rare one would read every row.
_PLANNED_BY_VALUE = "SET LOCAL plan_cache_mode = force_custom_plan; "
_PLANNED_ONCE = "SET LOCAL plan_cache_mode = force_generic_plan; "
# Makes the guard of the statement {0}: of the tables that this transaction has locked to read it. A table that only a
# view reads may be closed to us, and does not matter: its columns are not the view's. The name of a table or of a
# parameter's type has to lead to the same one each time: PostgreSQL itself does not notice one that comes earlier in
# the search_path, or a type that took over the name.
_GUARD = """
    ; DO $guard$ BEGIN
      IF (SELECT 'interval'::regtype = ANY (parameter_types) FROM pg_prepared_statements WHERE name = '{0}') THEN
        RAISE indeterminate_datatype;  -- 'interval minute' reads a literal otherwise than a parameter
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


# How the statement was sent last, and whether another way is left.
_AS_IT_IS, _PREPARED, _NEWLY_PREPARED, _PLANNED, _PLANNED_AFTER_AS_IT_IS, _LAST = range(6)


class Retry:
    """Another way to send a statement that failed: the commands, or None to send it as it is."""

    __slots__ = ("message",)

    def __init__(self, message: str | None) -> None:
        self.message = message


class Prepared:
    """What one connection has prepared."""

    def __init__(self) -> None:
        self._ready: dict[_Shape, tuple[str, str]] = {}  # what executes it, and what drops it; the oldest first
        self._seen: set[_Shape] = set()
        self._refused: set[_Shape] = set()
        # Whether so many statements were refused that the session should forget them all: some are still prepared.
        self.is_crowded = False
        self._way = _LAST
        self._plan = ""
        self._is_lost = False  # what was refused last is not on the server
        self._last: tuple[ScannedStatement, Mapping[str, object], int | None, _Shape, str]

    def message(self, statement: ScannedStatement, params: Mapping[str, object], most: int | None) -> str | None:
        """The commands that run the statement prepared, for at most so many rows; None when it is to be sent as it is.

        `params` are as psycopg2 takes them.
        """
        arguments: list[str] = []
        written: list[str] = []  # what stands in each place: an argument's cast, or the value
        for name in statement.places:
            value = params[name]
            if isinstance(value, Literal):
                arguments.append(value.literal)
                written.append(value.cast)
            else:
                written.append(str(adapt(value).getquoted().decode()))
        shape = (statement.text, most, *written)
        values = f"({', '.join(arguments)})" if arguments else ""
        self._last = (statement, params, most, shape, values)
        self._plan = _PLANNED_BY_VALUE if values and statement.is_page_of_value else ""
        if (ready := self._ready.get(shape)) is not None:
            self._way = _PREPARED
            return f"{self._plan}{ready[0]}{values}"
        self._is_lost = False
        if len(statement.text) > _LONGEST or shape in self._refused:
            self._way = _LAST
            return None
        if not _came_before(shape, self._seen):
            self._way = _AS_IT_IS
            return None
        self._way = _NEWLY_PREPARED
        return self._prepare()

    def explanation(self, sqlstate: str | None) -> Retry | None:
        """What runs the guard and plans the last statement, in the way it was sent, and does not run it.

        None where nothing but the statement itself can have failed with this SQLSTATE.
        """
        way, (_, _, _, shape, values) = self._way, self._last
        if way == _LAST:
            if self._is_lost:  # by a table that is not there now, say
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
        """Another way to send the last statement, which did not run and failed; None when there is none.

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
        """Whether the last statement failed in its run, by the SQLSTATE of its explanation, or None if it has none."""
        could_not_be_prepared = self._way != _PREPARED and (explained == _LOST or sqlstate == _TAKEN)
        return explained != sqlstate and not could_not_be_prepared

    def _planned_once(self) -> Retry:
        values, ready = self._last[4], self._ready.get(self._last[3])
        self._plan = _PLANNED_ONCE
        return Retry(self._prepare() if ready is None else f"{self._plan}{ready[0]}{values}")

    def _prepare(self) -> str:
        """Prepares the last statement, and runs it."""
        statement, params, most, shape, values = self._last
        text = _with_places(statement.text, params) if params else statement.text
        name = _name(text, most)
        guard, drop, execute = "", f"DEALLOCATE {name}; ", f"EXECUTE {name}"
        if values:
            guard, drop = _GUARD.format(name), f"{drop}DEALLOCATE {name}_guard; "
            execute = f"EXECUTE {name}_guard; {execute}"
        self._ready[shape] = (execute, drop)
        dropped = self._ready.pop(next(iter(self._ready)))[1] if len(self._ready) > _MOST else ""
        # By itself first: within parentheses a text could be complete that is not.
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


def _name(text: str, most: int | None) -> str:
    from hashlib import sha256  # noqa: PLC0415 - not for the first answer of a cold start

    # Of the text, so that behind a pooler the same name can only be the same statement.
    key = text if most is None else f"{most} {text}"
    return f"crud_{sha256(key.encode()).hexdigest()[:32]}"
