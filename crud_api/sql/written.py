"""What the answer to a write shows of its rows, and whether the write is wanted.

The common table expression `written` has the rows, and they are read from it as from a table (rows.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from crud_api.request.conditions import Related
from crud_api.request.reading import Embedded, OrderTerm, Read, takes_rows
from crud_api.request.writing import Shown, Terms
from crud_api.resource import Resource
from crud_api.sql import SHAPES
from crud_api.sql.names import quoted, where
from crud_api.sql.outcome import SETTINGS, chosen, met
from crud_api.sql.rows import WHOLE, Shape, prefix_of, shape_of, shaped
from crud_api.sql.where import conditions_of
from query_executor.contract import Param

_COMMITS = "commits"  # the column that says whether the terms are met
NOTHING = '"#nothing"'  # what a row has that returns no column


class Written(Struct, frozen=True):
    """The rows that the answer shows, in their form, and how many were written.

    `items` is null if there is no row, or if the rows are too large for a reply. `inserted` says whether any row of an
    upsert is new. `key` is the key of the only row, as a JSON array of texts, and `version` is its ETag. `matched` is
    the number of rows that the filters find, if the write is for versions of a row. `status` and `headers` are the
    settings by which functions of the database choose them, or null.
    """

    items: str | None
    found: int
    changed: int
    inserted: bool | None
    key: str | None
    version: str | None
    matched: int | None
    commits: bool
    status: str | None
    headers: str | None


class WritePlan(Struct, frozen=True):
    """Common table expressions that write rows. The last, `answer`, is one row: the columns of `Written`.

    `commit_if` is the column of `answer` that says whether the write is wanted, if that is not certain.
    """

    ctes: str
    params: Mapping[str, Param]
    commit_if: str | None


COLUMNS = ", ".join(f"answer.{name}" for name in Written.__struct_fields__)


def returned_by(resource: Resource, shown: Shown) -> tuple[str, ...]:
    """The columns of the written rows that the answer needs, or the whole rows if functions take them.

    A role that may not read the others can have it.
    """
    if shown.form != "none" and takes_rows(shown.read, resource):
        return (WHOLE,)
    if shown.has_version or (shown.form != "none" and shown.read.is_grouped):
        return resource.columns
    needed = {*resource.key_columns} if shown.has_key else set[str]()
    if shown.form != "none":
        needed |= _needed(shown.read)
    return tuple(name for name in resource.fields if name in needed)


def _needed(read: Read) -> set[str]:
    found: set[str] = set()
    for member in read.members:
        found |= {*member.way[0].own} if isinstance(member, Embedded) else {member.column}
    for term in read.order:
        found |= {*term.way[0].own} if isinstance(term, OrderTerm) and term.way else {term.column}
    for condition in read.conditions:
        found |= {*condition.way[0].own} if isinstance(condition, Related) else set()
    return found


def plan_of(
    resource: Resource,
    ctes: str,
    params: dict[str, Param],
    shown: Shown,
    terms: Terms,
    *,
    last: str = "",
    inserted: str = "null::bool",
    is_versioned: bool = False,
) -> WritePlan:
    """The plan of a write whose common table expressions end with `written`. Adds the params of what is shown.

    `last` is the order of the rows for which none is asked for. `inserted` says whether a row of an upsert is new.
    `is_versioned`: there is an expression `current`, with the rows that the filters find.
    """
    shape, which = None, ""
    if shown.form != "none":
        prefix = prefix_of(resource, shown.read)
        shape = shape_of(
            resource, shown.read, shown.form, params, prefix=prefix, is_versioned=shown.has_version, last=last
        )
        which = where(conditions_of(resource, shown.read.conditions, params, prefix, "shown"))
    condition = met(terms, params, shows_rows=shape is not None)
    params |= SETTINGS
    key = resource.key_columns if shown.has_key else ()
    answer = _answer(resource, shape, which, key, inserted, condition or "true", is_versioned=is_versioned)
    return WritePlan(f"{ctes},\n{answer}", params, _COMMITS if condition else None)


@lru_cache(SHAPES)
def _answer(
    resource: Resource,
    shape: Shape | None,
    which: str,
    key: tuple[str, ...],
    inserted: str,
    condition: str,
    *,
    is_versioned: bool,
) -> str:
    items, rows = shaped(shape, "written AS one", which) if shape else ("chr(32)", "written")
    texts = ", ".join(resource.fields[name].column.key_text(quoted(name)) for name in key)
    only = f"(SELECT CASE WHEN count(*) = 1 THEN min(json_build_array({texts})::text) END FROM written)"
    return f"""answer AS MATERIALIZED (SELECT *, {condition} AS {_COMMITS}, {chosen("changed")} FROM (
          SELECT {items} AS items, count(*) AS found, (SELECT count(*) FROM written) AS changed,
                 {inserted} AS inserted, {only if key else "null::text"} AS key,
                 {"min(version)" if shape and shape.version else "null::text"} AS version,
                 {"(SELECT count(*) FROM current)" if is_versioned else "null::int8"} AS matched
          FROM {rows}) AS told)"""
