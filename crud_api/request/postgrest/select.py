"""`select`: the members of a row, their names, paths, casts and aggregates, and the rows that are embedded in it."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from msgspec import Struct

from crud_api.errors import PostgrestError
from crud_api.request.postgrest.grammar import CLOSES, COMMA, MAX_DEPTH, Source, label_of, too_many
from crud_api.request.reading import Member
from crud_api.resource import Resource

MAX_MEMBERS = 200  # of one level; a star counts once
# The types to which a value can be cast. A type of an extension has to be installed in the database.
TYPES = frozenset(
    """
    bigint bit bool boolean box bpchar bytea char character cidr circle citext date daterange datemultirange decimal
    float float4 float8 hstore inet int int2 int4 int4multirange int4range int8 int8multirange int8range integer
    interval json jsonb line lseg macaddr macaddr8 money numeric nummultirange numrange oid path point polygon real
    smallint text time timestamp timestamptz timetz tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector uuid
    varbit varchar xml _bool _date _float4 _float8 _int2 _int4 _int8 _jsonb _numeric _text _timestamptz _uuid _varchar
    """.split()
) | {
    "bit varying", "character varying", "double precision", "timestamp with time zone", "timestamp without time zone",
    "time with time zone", "time without time zone",
}  # fmt: skip
_STAR = re.compile(r"\*(?=[ \t]*(?:[,)]|$))")
_ALIAS = re.compile(r'(?="(?:[^"\\]|\\.)*+":(?!:)|[\w $]++(?:-(?!>)[\w $]++)*+:(?!:))', re.DOTALL)
_COUNT = re.compile(r"count\(\)")
_AGGREGATE = re.compile(r"\.(sum|avg|count|max|min)\(\)")
_CAST = re.compile(r"::([\w $]+)")
_SPREAD = re.compile(r"[ \t]*\.\.\.")
_EXPECTED = 'letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input'


class Embedding(Struct, frozen=True):
    """Rows of a relation, as `select` asks for them. `join` is `inner`, `left` or empty.

    `is_spread`: they are written as `...relation(*)`, and their members become members of the row.
    """

    relation: str
    alias: str
    hint: str
    join: str
    is_spread: bool
    items: tuple[Item, ...]


class Star(Struct, frozen=True):
    """All columns."""


Item = Member | Embedding | Star


@lru_cache(256)  # clients repeat the same texts
def items_of(text: str) -> tuple[Item, ...]:
    """What `select` lists. Raises `PostgrestError`."""
    source = Source(text, "select parameter")
    items = _items(source, MAX_DEPTH)
    if items and isinstance(items[-1], Embedding):
        source.take(CLOSES)  # clients that count them wrong work with PostgREST
    source.end(_EXPECTED)
    return items


@cache
def every_column(resource: Resource) -> tuple[Member, ...]:
    """The members that a star stands for."""
    return tuple(Member(name, name) for name in resource.fields)


def known(resource: Resource, member: Member) -> Member:
    """The member, if the resource has its column. Raises `PostgrestError`."""
    if not member.column or member.column in resource.readable:
        return member
    if member.column == "count" and not (member.path or member.aggregate):  # as old clients of PostgREST write count()
        return Member(member.label, "", aggregate="count", aggregate_cast=member.cast)
    raise no_column(resource, member.column)


def no_column(resource: Resource, name: str) -> PostgrestError:
    """The error for a column that the resource does not have, as PostgreSQL says it."""
    return PostgrestError(f"column {resource.place[1]}.{name} does not exist", code="42703")


def _items(source: Source, levels: int) -> tuple[Item, ...]:
    if levels == 0:
        raise too_many(f"embedded rows are nested at most {MAX_DEPTH} levels deep")
    items: list[Item] = []
    if source.is_at_end or source.text.startswith(")", source.at):
        return ()
    while True:
        items.append(_item(source, levels))
        if len(items) > MAX_MEMBERS:
            raise too_many(f"select lists at most {MAX_MEMBERS} members of a row")
        if not source.take(COMMA):
            return tuple(items)


def _item(source: Source, levels: int) -> Item:
    if source.take(_SPREAD):
        return _embedding(source, source.name(), "", levels, is_spread=True)
    source.skip_spaces()
    if source.take(_STAR):
        return Star()
    alias = ""
    if source.take(_ALIAS) is not None:
        alias = source.name()
        source.at += 1
        source.skip_spaces()
    if source.take(_COUNT):
        return Member(alias or "count", "", aggregate="count", aggregate_cast=_cast(source))
    name = source.name()
    if source.text[source.at : source.at + 1] in {"!", "("}:
        return _embedding(source, name, alias, levels, is_spread=False)
    path = source.path()
    source.skip_spaces()
    cast = _cast(source)
    match = source.take(_AGGREGATE)
    aggregate = match[1] if match else ""
    label = alias or aggregate or label_of(name, path)
    return Member(label, name, path, cast, aggregate, _cast(source) if match else "")


def _embedding(source: Source, name: str, alias: str, levels: int, *, is_spread: bool) -> Embedding:
    hint = join = ""
    for _ in range(2):
        if source.has("!"):
            modifier = source.name()
            if modifier in {"inner", "left"}:
                join = join or modifier
            else:
                hint = hint or modifier
    if not source.has("("):
        raise source.wrong('"("')
    items = _items(source, levels - 1)
    if not source.has(")"):
        raise source.wrong('"," or ")"')
    source.skip_spaces()
    return Embedding(name, alias, hint, join, is_spread, items)


def _cast(source: Source) -> str:
    match = source.take(_CAST)
    if match is None:
        return ""
    type_ = match[1].strip().lower()
    if type_ not in TYPES:
        raise PostgrestError(f'type "{type_}" does not exist', code="42704")
    return type_
