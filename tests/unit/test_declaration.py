"""A declaration that could not serve its table is refused with a sentence."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import pytest
from msgspec import Meta, Struct, defstruct

from crud_api.application import create_app
from crud_api.resource import Reference, Resource
from crud_api.resource.columns.json import Json
from crud_api.resource.columns.text import Key
from crud_api.resource.relations import relations_of
from query_executor.contract import Failure, Reply, Request


class Line(Struct):
    order_id: str
    line: int
    place: Json | None = None
    shelf: str | None = None
    rack: int | None = None


def lines(**more: Any) -> Resource:
    return Resource(**{"name": "lines", "table": "demo.lines", "model": Line, "key": ("order_id", "line"), **more})


def shelves(key: Any = ("shelf", "rack"), **more: Any) -> Resource:
    model = defstruct("Shelf", [("shelf", str), ("rack", int), ("code", str)])
    return Resource(name="shelves", table="demo.shelves", model=model, key=key, **more)


SHELF = Reference(resource="shelves", name="place_of", reverse="lines")


@pytest.mark.parametrize("key", ["line", ("line",)])
def test_a_key_of_one_column_is_the_same_in_both_forms(key: Any) -> None:
    assert (lines(key=key).key_columns, lines(key=key).said_key) == (("line",), "line")


def test_a_key_has_its_columns_in_the_declared_order() -> None:
    assert (lines().key_columns, lines().said_key) == (("order_id", "line"), "order_id and line")
    assert lines(key=("line", "order_id", "shelf")).said_key == "line, order_id and shelf"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"key": ("order_id", "row")}, "lines names row, which its model does not have. Add the field."),
        ({"key": ""}, "lines names an empty name, which its model does not have"),
        ({"key": ("line", "line")}, "The key of lines names a column twice. Name each column once."),
        ({"key": ("order_id", "place")}, "lines.place is declared as Json, which PostgreSQL cannot compare"),
        ({"references": {("shelf", "row"): SHELF}}, "lines names row"),
        ({"made_key": "uuid4"}, "lines has the made_key uuid4. It must be default or uuid7."),
        ({"max_age_s": -1}, "lines has the max_age_s -1. It must be a whole number of seconds from 0 to 86400"),
        ({"max_age_s": 86401}, "lines has the max_age_s 86401. It must be a whole number of seconds from 0 to"),
        ({"max_age_s": True}, "lines has the max_age_s True. It must be a whole number of seconds from 0 to 86400"),
        ({"max_age_s": 1.5}, "lines has the max_age_s 1.5. It must be a whole number of seconds from 0 to 86400"),
        ({"made_key": "default", "key": ()}, "lines has a made_key and no key. Name the key."),
        ({"made_key": "uuid7"}, "lines.line cannot hold a UUID, which made_key asks for: it must be"),
        (
            {"made_key": "uuid7", "key": "order_id", "read_only": frozenset({"order_id"})},
            "lines.order_id is read-only, so the API cannot make it. Let the database make it.",
        ),
        ({"references": {("shelf", "shelf"): SHELF}}, "The reference of lines to shelves names a column twice"),
        ({"references": {(): SHELF}}, "The reference of lines to shelves has no columns. Name the columns"),
        (
            {"references": {"shelf": Reference(resource="shelves", name="a", reverse="b", columns=("shelf", "rack"))}},
            "The reference of lines to shelves has 1 columns and names 2 of shelves. Name one of the other's columns",
        ),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_cure(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        lines(**more)


@pytest.mark.parametrize(
    ("own", "reference", "reason"),
    [
        (
            "shelf",
            SHELF,
            "The reference shelf of lines has 1 column, and the key of shelves has 2. Name as many columns",
        ),
        (
            "shelf",
            Reference(resource="shelves", name="a", reverse="b", columns=("box",)),
            "The reference shelf of lines names box, which shelves does not have. Name a column of its model.",
        ),
    ],
)
def test_a_reference_that_does_not_fit_the_other_side_is_refused(own: Any, reference: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        relations_of({"lines": lines(references={own: reference}), "shelves": shelves()})


def test_a_reference_of_several_columns_is_a_relation_of_both_sides() -> None:
    own = lines(references={("shelf", "rack"): SHELF})
    relations = relations_of({"lines": own, "shelves": shelves()})
    to_one, to_many = relations["lines"]["place_of"], relations["shelves"]["lines"]
    assert (to_one.own, to_one.columns, to_one.refers, to_one.many) == (
        ("shelf", "rack"),
        ("shelf", "rack"),
        True,
        False,
    )
    assert (to_many.own, to_many.columns, to_many.refers, to_many.many) == (
        ("shelf", "rack"), ("shelf", "rack"), False, True,
    )  # fmt: skip


def test_the_reverse_of_a_unique_reference_is_one_row() -> None:
    code = Reference(resource="shelves", name="a", reverse="line", columns=("code",), unique=True, constraint="fk")
    relations = relations_of({"lines": lines(references={"shelf": code}), "shelves": shelves()})
    back = relations["shelves"]["line"]
    assert (back.own, back.columns, back.many, back.refers) == (("code",), ("shelf",), False, False)
    assert back.constraint == relations["lines"]["a"].constraint == "fk"


def test_a_table_may_refer_to_itself_and_to_one_table_several_times() -> None:
    own = lines(
        references={
            ("shelf", "rack"): SHELF,
            ("order_id", "line"): Reference(resource="lines", name="same", reverse="sames"),
            ("order_id", "rack"): Reference(resource="lines", name="before", reverse="after"),
        }
    )
    relations = relations_of({"lines": own, "shelves": shelves()})
    assert [*relations["lines"]] == ["place_of", "same", "sames", "before", "after"]


def test_a_made_key_needs_a_column_that_holds_it() -> None:
    short = Annotated[str, Meta(max_length=10)]
    hint: Any
    for hint in (short, bytes, date):
        with pytest.raises(ValueError, match=r"things\.id (cannot hold a UUID|is declared as)"):
            Resource(name="things", table="things", model=defstruct("T", [("id", hint)]), key="id", made_key="uuid7")
    for hint in (str, UUID, Key):
        made = Resource(name="things", table="things", model=defstruct("T", [("id", hint)]), key="id", made_key="uuid7")
        assert (made.made_by_api, made.fields["id"].required) == ("id", False)


def test_a_made_key_is_the_last_column_of_a_key() -> None:
    made = lines(made_key="default")
    assert [made.fields[name].required for name in ("order_id", "line")] == [True, False]
    assert made.made_by_api is None


def test_a_table_without_a_key_is_declared_and_has_no_paths() -> None:
    keyless = lines(key=())
    assert keyless.key_columns == ()

    def execute(_request: Request) -> Reply | Failure:
        raise AssertionError

    with pytest.raises(ValueError, match="lines has no key, so its rows have no paths"):
        create_app(execute, [keyless])
