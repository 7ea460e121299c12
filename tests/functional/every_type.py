"""A table with a column of every type, the declaration of each column, and values in PostgreSQL's notation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from hypothesis import strategies as st
from msgspec import Meta, Struct

from crud_api.resource.columns import network, other, ranges
from crud_api.resource.columns.binary import Bits
from crud_api.resource.columns.composite import Composite
from crud_api.resource.columns.json import Hstore, Json, Jsonb
from crud_api.resource.columns.number import Amount, Money, Whole
from crud_api.resource.columns.text import Citext
from crud_api.resource.columns.time import Interval, LocalTimestamp, Timestamp, TimeTz

TYPES = """
CREATE TYPE demo.every_feeling AS ENUM ('sad', 'ok', 'very "happy"');
CREATE TYPE demo.every_visit AS (n int, t text, content bytea, at timestamptz, tags text[]);
CREATE DOMAIN demo.every_price AS numeric(10, 2) CHECK (VALUE > -1000000);
CREATE DOMAIN demo.every_document AS jsonb;
CREATE DOMAIN demo.every_code AS varchar(8) CHECK (VALUE <> 'x');
"""


class Visit(Struct):
    """The fields of demo.every_visit."""

    n: int | None = None
    t: str | None = None
    content: bytes | None = None
    at: Timestamp | None = None
    tags: list[str | None] | None = None


class Sample(NamedTuple):
    """The declaration of a column, its type, and texts of its values in PostgreSQL's notation."""

    hint: Any
    sql_type: str
    texts: st.SearchStrategy[str]
    cast: str = "%s"  # the SQL that makes a value of the text


def _one_of(*texts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(texts)


def _array(element: st.SearchStrategy[str], delimiter: str = ",") -> st.SearchStrategy[str]:
    """Texts of arrays with one or two dimensions, with nulls and other bounds."""
    quoted = element.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
    part = st.one_of(quoted, quoted, st.just("NULL"))
    flat = st.lists(part, max_size=3)
    square = st.integers(1, 2).flatmap(
        lambda width: st.lists(st.lists(part, min_size=width, max_size=width), min_size=1, max_size=2)
    )

    def bounded(parts: list[str]) -> st.SearchStrategy[str]:
        text = f"{{{delimiter.join(parts)}}}"
        return _one_of(text, text, f"[0:{len(parts) - 1}]={text}") if parts else st.just(text)

    nested = square.map(lambda rows: f"{{{delimiter.join(f'{{{delimiter.join(row)}}}' for row in rows)}}}")
    return st.one_of(flat.flatmap(bounded), flat.flatmap(bounded), nested)


def _range(bounds: st.SearchStrategy[Any], write: Callable[[Any], str] = str) -> st.SearchStrategy[str]:
    def made(pair: tuple[Any, Any], edges: str, open_: int) -> str:
        low, high = sorted(pair)
        low, high = (f'"{write(low)}"', f'"{write(high)}"')
        return f"{edges[0]}{'' if open_ == 1 else low},{'' if open_ == 2 else high}{edges[1]}"

    some = st.builds(made, st.tuples(bounds, bounds), _one_of("[)", "[]", "()", "(]"), st.integers(0, 3))
    return st.one_of(some, some, st.just("empty"))


def _many(range_: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(range_, max_size=3).map(lambda listed: f"{{{','.join(listed)}}}")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
texts = st.text(_CHARACTERS, max_size=8)
words = st.text("abcXYZ é,\"\\'{}()[]%_*", max_size=6)
numbers = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9).map(str),
    st.integers(-(10**63), 10**63).map(str),
    _one_of("NaN", "Infinity", "-Infinity", "0.00", "1e-20", "123456789012345678901234567890.5"),
)
floats = st.floats().map(repr).map(lambda text: {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text, text))
reals = (
    st.floats(width=32)
    .map(repr)
    .map(lambda text: {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text, text))
)
dates = st.one_of(
    st.dates().map(str),
    _one_of("infinity", "-infinity", "0044-03-15 BC", "4713-01-01 BC", "12026-01-31", "5874897-12-31"),
)
clocks = st.one_of(st.times().map(str), _one_of("24:00:00", "00:00:00.000001"))
moments = st.one_of(
    st.datetimes().map(str),
    _one_of(
        "infinity", "-infinity", "0044-03-15 01:02:03.000001 BC", "294276-12-31 23:59:59.999999", "10000-01-01 00:00"
    ),
)
zoned = st.one_of(
    moments.map(lambda text: text if "inf" in text or "BC" in text else f"{text}+00"),
    st.datetimes(datetime(1000, 1, 1)).map(lambda moment: f"{moment}-05:30"),
)
offsets = _one_of("+00", "-05:30", "+15:59:59", "+02")
intervals = st.builds(
    "{} years {} months {} days {} hours {}.{:06} seconds".format,
    *[st.integers(-9, 9)] * 4, st.integers(-59, 59), st.integers(0, 999_999),
)  # fmt: skip
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.sampled_from([0.5, -1.25]), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=5,
)
documents = json_values.map(_compact)
no_nulls = json_values.filter(lambda value: value is not None).map(_compact)
bits = st.text("01", max_size=9)
binaries = st.binary(max_size=70).map(lambda content: "\\x" + content.hex())
Price = Annotated[Decimal, Meta(extra={"decimal_places": 2})]  # PostgreSQL would round more decimal places
cents = st.integers(-(10**12), 10**12).map(lambda cents: f"{Decimal(cents) / 100}")
feelings = _one_of("sad", "ok", 'very "happy"')
days = st.dates(date(1000, 1, 1))
hours = st.datetimes(datetime(1000, 1, 1))
hosts = st.one_of(st.ip_addresses().map(str), _one_of("10.0.0.0/8", "192.168.1.5/24", "::1/64", "2001:db8::/32"))
networks = _one_of("10.0.0.0/8", "10.1.2.3/32", "::/0", "2001:db8::/32")
cards = st.integers(0, 2**48 - 1).map(lambda n: f"{n:012x}")
visits = st.builds(
    lambda n, t, b, at, tags: f"({n},{_in_row(t)},{_in_row(b)},{_in_row(at)},{_in_row(tags)})",
    st.integers(-9, 9), words, binaries, zoned, _array(words),
)  # fmt: skip
points = st.builds("({},{})".format, *[st.floats(-1e9, 1e9)] * 2)
hstores = st.dictionaries(words, st.one_of(st.none(), words), max_size=3).map(
    lambda found: ",".join(f"{_in_hstore(name)}=>{'NULL' if v is None else _in_hstore(v)}" for name, v in found.items())
)


def _in_row(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


def _in_hstore(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


SAMPLES: dict[str, Sample] = {
    "a_text": Sample(str, "text", texts),
    "a_varchar": Sample(Annotated[str, Meta(max_length=8)], "varchar(8)", texts),
    "a_char": Sample(str, "char(4)", st.text("abé ", max_size=4)),
    "a_citext": Sample(Citext, "citext", words),
    "a_uuid": Sample(UUID, "uuid", st.uuids().map(str)),
    "a_bool": Sample(bool, "boolean", _one_of("true", "false")),
    "a_small": Sample(int, "smallint", st.integers(-(2**15), 2**15 - 1).map(str)),
    "an_int": Sample(int, "integer", st.integers(-(2**31), 2**31 - 1).map(str)),
    "a_big": Sample(int, "bigint", st.integers(-(2**63), 2**63 - 1).map(str)),
    "a_huge": Sample(Whole, "numeric(40)", st.integers(-(10**39), 10**39).map(str)),
    "a_numeric": Sample(Decimal, "numeric", numbers),
    "an_amount": Sample(Amount, "numeric(12, 2)", st.decimals(0, 9999999999, places=2).map(str)),
    "a_real": Sample(float, "real", reals),
    "a_double": Sample(float, "double precision", floats),
    "a_date": Sample(date, "date", dates),
    "a_time": Sample(time, "time", clocks),
    "a_timetz": Sample(TimeTz, "timetz", st.builds(str.__add__, st.times().map(str), offsets)),
    "a_moment": Sample(Timestamp, "timestamptz", zoned),
    "a_second": Sample(
        Annotated[Timestamp, Meta(examples=["2026-01-31T09:30:00Z"])],
        "timestamptz(0)",
        zoned.filter(lambda text: not text.startswith(("294276", "9999"))),
    ),
    "a_local": Sample(LocalTimestamp, "timestamp", moments),
    "a_naive": Sample(datetime, "timestamp", moments),
    "an_interval": Sample(Interval, "interval", intervals),
    "minutes": Sample(Annotated[timedelta, Meta(examples=["PT2H30M"])], "interval minute", intervals),
    "months": Sample(Annotated[Interval, Meta(examples=["P1Y2M"])], "interval year to month", intervals),
    "a_feeling": Sample(Literal["sad", "ok", 'very "happy"'], "demo.every_feeling", feelings),
    "a_json": Sample(Json, "json", no_nulls),
    "a_jsonb": Sample(Jsonb, "jsonb", no_nulls),
    "an_object": Sample(
        dict, "jsonb", st.dictionaries(texts, json_values, max_size=3).map(_compact)
    ),
    "bytes": Sample(bytes, "bytea", binaries),
    "an_inet": Sample(network.Inet, "inet", hosts),
    "a_cidr": Sample(network.Cidr, "cidr", networks),
    "a_macaddr": Sample(network.Macaddr, "macaddr", cards),
    "a_macaddr8": Sample(network.Macaddr8, "macaddr8", cards),
    "money": Sample(Money, "money", cents, "%s::numeric::money"),
    "int4s": Sample(ranges.Int4Range, "int4range", _range(st.integers(-999, 999))),
    "int8s": Sample(ranges.Int8Range, "int8range", _range(st.integers(-(2**60), 2**60))),
    "nums": Sample(ranges.NumRange, "numrange", _range(st.decimals(-9, 9, places=2))),
    "days": Sample(ranges.DateRange, "daterange", _range(days)),
    "times": Sample(ranges.TsRange, "tsrange", _range(hours)),
    "moments": Sample(ranges.TstzRange, "tstzrange", _range(hours, lambda moment: f"{moment}+00")),
    "int4_ranges": Sample(ranges.Int4Multirange, "int4multirange", _many(_range(st.integers(-99, 99)))),
    "int8_ranges": Sample(ranges.Int8Multirange, "int8multirange", _many(_range(st.integers(-99, 99)))),
    "num_ranges": Sample(ranges.NumMultirange, "nummultirange", _many(_range(st.decimals(-9, 9, places=1)))),
    "day_ranges": Sample(ranges.DateMultirange, "datemultirange", _many(_range(days))),
    "time_ranges": Sample(ranges.TsMultirange, "tsmultirange", _many(_range(hours))),
    "moment_ranges": Sample(ranges.TstzMultirange, "tstzmultirange", _many(_range(hours, lambda one: f"{one}+00"))),
    "three_bits": Sample(Annotated[Bits, Meta(examples=["101"])], "bit(3)", st.text("01", min_size=3, max_size=3)),
    "some_bits": Sample(Bits, "bit varying", bits),
    "an_xml": Sample(other.Xml, "xml", _one_of("<a>1</a>", "text", "<a b='c'>é&lt;</a><d/>")),
    "a_tsvector": Sample(other.Tsvector, "tsvector", words, "to_tsvector('simple', %s)"),
    "a_hstore": Sample(Hstore, "hstore", hstores),
    "a_point": Sample(other.Point, "point", points),
    "a_box": Sample(other.Box, "box", st.builds("{},{}".format, points, points)),
    "a_circle": Sample(other.Circle, "circle", points.map(lambda point: f"<{point},1.5>")),
    "a_polygon": Sample(other.Polygon, "polygon", st.builds("({},{})".format, points, points)),
    "a_price": Sample(Price, "demo.every_price", st.decimals(-9, 9, places=2).map(str)),
    "a_document": Sample(Jsonb, "demo.every_document", no_nulls),
    "a_code": Sample(str, "demo.every_code", words.filter(lambda text: text != "x")),
    "a_visit": Sample(Annotated[Visit, Composite("demo.every_visit")], "demo.every_visit", visits),
    "texts": Sample(list[str | None], "text[]", _array(words)),
    "ints": Sample(list[int], "int[]", _array(st.integers(-99, 99).map(str))),
    "grid": Sample(list[list[int]], "int[]", _array(st.integers(-99, 99).map(str))),
    "numerics": Sample(list[Decimal | None], "numeric[]", _array(numbers)),
    "doubles": Sample(list[float | None], "float8[]", _array(floats)),
    "flags": Sample(list[bool | None], "boolean[]", _array(_one_of("t", "f"))),
    "instants": Sample(list[Timestamp | None], "timestamptz[]", _array(zoned)),
    "naives": Sample(list[datetime | None], "timestamp[]", _array(moments)),
    "feelings": Sample(list[Literal["sad", "ok", 'very "happy"'] | None], "demo.every_feeling[]", _array(feelings)),
    "many_bytes": Sample(list[bytes | None], "bytea[]", _array(binaries)),
    "jsons": Sample(list[Json | None], "json[]", _array(documents)),
    "jsonbs": Sample(list[Jsonb], "jsonb[]", _array(documents)),
    "citexts": Sample(list[Citext | None], "citext[]", _array(words)),
    "uuids": Sample(list[UUID | None], "uuid[]", _array(st.uuids().map(str))),
    "spans": Sample(list[Interval | None], "interval[]", _array(intervals)),
    "inets": Sample(list[network.Inet | None], "inet[]", _array(hosts)),
    "purses": Sample(list[Money | None], "money[]", _array(cents), "%s::numeric[]::money[]"),
    "int4_list": Sample(list[ranges.Int4Range | None], "int4range[]", _array(_range(st.integers(-9, 9)))),
    "boxes": Sample(list[other.Box | None], "box[]", _array(st.builds("{},{}".format, points, points), ";")),
    "hstores": Sample(list[Hstore | None], "hstore[]", _array(hstores)),
    "visits": Sample(
        list[Annotated[Visit, Composite("demo.every_visit")] | None], "demo.every_visit[]", _array(visits)
    ),
    "prices": Sample(list[Price | None], "demo.every_price[]", _array(st.decimals(-9, 9, places=2).map(str))),
}  # fmt: skip


def rows(names: Iterable[str]) -> st.SearchStrategy[dict[str, str | None]]:
    """The texts of a row, by column."""
    return st.fixed_dictionaries({name: st.one_of(SAMPLES[name].texts, st.none()) for name in names})


def names_of(available: Sequence[str]) -> list[str]:
    """The columns whose types a server has. `available` are the extensions that it has, and xml if it has it."""
    optional = {"citext", "hstore", "xml"}
    return [
        name
        for name, sample in SAMPLES.items()
        if (of := sample.sql_type.removesuffix("[]")) not in optional or of in available
    ]
