"""Writes of /rest/v1: bodies become rows, and a write has one text of SQL for each shape, without values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Struct

from crud_api.errors import ApiError, PostgrestError
from crud_api.request.caller import NOBODY, ApiRequest
from crud_api.request.conditions import Filter
from crud_api.request.postgrest.bodies import Body, body_of
from crud_api.request.postgrest.prefer import Preferences, preferences_of
from crud_api.request.postgrest.query import read_of
from crud_api.request.postgrest.writes import change_of, insertion_of
from crud_api.request.versions import NO_CONDITIONS, Conditions
from crud_api.request.writing import Removal, Shown, Terms
from crud_api.resource import Resource
from crud_api.resource.tables import Tables
from crud_api.settings import Settings
from crud_api.sql import writing
from crud_api.sql.outcome import tried
from crud_api.sql.query import Query
from crud_api.sql.written import Written
from query_executor.scanner import scan
from tests.gateway_events import event


class Note(Struct):
    id: int
    text: str | None = None
    size: int | None = None


notes = Resource(name="notes", table="demo.notes", model=Note, key="id")
ALL = read_of(Tables(notes), notes, {})
HIDDEN = Shown(read=ALL, form="none")
SHOWN = Shown(read=ALL, form="json")
NONE = Preferences({})
LARGER = Filter("size", "gt", "5")


def sent(body: str, type_: str = "application/json", **headers: str) -> Body:
    told = {name.title(): [text] for name, text in {"content-type": type_, **headers}.items()}
    request = ApiRequest(event("POST", "/rest/v1/notes", headers=told, body=body), None, NOBODY)
    return body_of(request)


@pytest.mark.parametrize(
    ("body", "type_", "rows"),
    [
        ('{"id": 1.50, "text": "a"}', "application/json", [{"id": "1.50", "text": '"a"'}]),
        ('\n[{"id":1,"id":2}, {}]', "application/json; charset=utf-8", [{"id": "2"}, {}]),
        ('{"text": {"b": [1,  2]}}', "", [{"text": '{"b": [1,  2]}'}]),
        ("[]", "application/json", []),
        ("id,text\n1,\n2,NULL\n\n", "text/csv", [{"id": '"1"', "text": '""'}, {"id": '"2"', "text": "null"}]),
        ("text\r\na\u2028b\r\n", "TEXT/CSV", [{"text": '"a\u2028b"'}]),
        ('text\n"a\n""b"""', "text/csv", [{"text": '"a\\n\\"b\\""'}]),
        ("text=a+%26&text=b&id=", "application/x-www-form-urlencoded", [{"text": '"b"', "id": '""'}]),
    ],
)
def test_a_body_is_rows_of_json(body: str, type_: str, rows: list[dict[str, str]]) -> None:
    assert sent(body, type_).rows == rows


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        ("", ""), ("null", ""), ("[[]]", ""), ('{"a": 01}', ""), ('{"a": "\x01"}', ""), ('{"a": "\\ud800"}', ""),
        ("a,b\n1", "text/csv"), ('a\n"', "text/csv"), ("", "text/csv"), ("{}", "text/plain"), ("{}", "json"),
    ],
)  # fmt: skip
def test_what_is_no_rows_is_refused(body: str, type_: str) -> None:
    with pytest.raises(PostgrestError) as raised:
        sent(body, type_)
    assert (raised.value.status, raised.value.code) == (400, "PGRST102")


def test_a_page_of_another_origin_sends_json_only() -> None:
    page = {"origin": "https://a.example", "host": "b.example"}
    assert sent("{}", "application/json", **page).rows == [{}]
    for type_ in ("", "application/x-www-form-urlencoded"):
        with pytest.raises(PostgrestError, match="another origin"):
            sent("{}", type_, **page)
        assert sent("{}", type_, **page | {"host": "a.example"})


def inserted(rows: list[dict[str, Any]], shown: Shown, **query: str) -> Query[Written]:
    body = Body([{name: json.dumps(value) for name, value in row.items()} for row in rows], is_many=True)
    preferences = preferences_of(query.pop("prefer", None))
    insertion = insertion_of(notes, body, {name: [text] for name, text in query.items()}, preferences)
    return writing.write(writing.insertion_plan(notes, insertion, shown, Terms()))


def changed(row: dict[str, Any], shown: Shown, condition: Filter = LARGER) -> Query[Written]:
    body = Body([{name: json.dumps(value) for name, value in row.items()}], is_many=False)
    change = change_of(notes, body, {}, NONE, [condition], NO_CONDITIONS)
    return writing.write(writing.change_plan(notes, change, shown, Terms()))


def removed(condition: Filter, versions: Conditions = NO_CONDITIONS) -> Query[Written]:
    removal = Removal(conditions=(condition,), versions=versions)
    return writing.write(writing.removal_plan(notes, removal, HIDDEN, Terms()))


ONE, TWO = [{"id": 1, "text": "planted"}], [{"id": 1, "text": "planted"}, {"id": 2, "text": "b"}]
MERGE = "resolution=merge-duplicates"


@pytest.mark.parametrize(
    ("query", "other"),
    [
        (inserted(ONE, HIDDEN), inserted([{"id": 7, "text": None}], HIDDEN)),
        (inserted(TWO, SHOWN), inserted([{"id": n, "text": "x"} for n in range(50)], SHOWN)),
        (inserted(TWO, SHOWN, prefer=MERGE), inserted([{"id": n, "text": "x"} for n in range(9)], SHOWN, prefer=MERGE)),
        (inserted([], SHOWN), inserted([], SHOWN)),
        (inserted([{}, {}], HIDDEN), inserted([{}, {}, {}], HIDDEN)),
        (changed({"text": "planted"}, SHOWN), changed({"text": 7}, SHOWN, Filter("size", "gt", "9"))),
        (removed(LARGER), removed(Filter("size", "gt", "planted"))),
        (removed(LARGER, Conditions(["planted"])), removed(LARGER, Conditions(["a", "b"]))),
    ],
)
def test_a_write_has_one_text_for_each_shape(query: Query[Any], other: Query[Any]) -> None:
    (statement,), (same,) = query.statements, other.statements
    assert statement.sql == same.sql
    assert "planted" not in statement.sql
    scanned = scan(statement.sql)
    assert scanned.is_plain
    assert scanned.names == statement.params.keys()


@pytest.mark.parametrize(
    "query",
    [
        inserted(ONE, HIDDEN),
        inserted(ONE, HIDDEN, prefer=MERGE),
        changed({"text": "a"}, HIDDEN),
        removed(LARGER),
    ],
)
def test_a_write_that_answers_nothing_is_prepared_and_one_message(query: Query[Any]) -> None:
    (statement,) = query.statements
    assert scan(statement.sql).is_preparable
    assert query.commit_if is None


def test_a_write_that_shows_rows_is_kept_only_if_they_fit() -> None:
    assert changed({"text": "a"}, SHOWN).commit_if == "commits"


def test_a_write_that_is_tried_checks_what_a_commit_would_check_and_is_undone() -> None:
    query = tried(removed(LARGER))
    assert [statement.sql for statement in query.ending] == [
        "SET CONSTRAINTS ALL IMMEDIATE", "SELECT false AS is_kept",
    ]  # fmt: skip
    assert query.commit_if == "is_kept"


def test_a_write_returns_only_the_columns_that_its_answer_needs() -> None:
    few = Shown(read=read_of(Tables(notes), notes, {"select": ["text"], "order": ["size"]}), form="json")
    (statement,) = changed({"text": "a"}, few).statements
    assert 'RETURNING one."text", one."size")' in statement.sql
    (statement,) = changed({"text": "a"}, HIDDEN).statements
    assert 'RETURNING true AS "#nothing")' in statement.sql


@pytest.mark.parametrize(
    "prefer", ["max-affected=3", "max-affected=3, handling=lenient", "handling=strict, max-affected=x"]
)
def test_a_limit_of_rows_is_ignored_unless_it_is_strict(prefer: str) -> None:
    assert preferences_of(prefer).most is None
    assert preferences_of("handling=strict, max-affected=3").most == 3


def test_a_setting_has_words_that_are_known() -> None:
    assert Settings.from_environment({}).rest_allows == frozenset()
    assert Settings.from_environment({"REST_ALLOWS": " tx, unfiltered,"}).rest_allows == {"tx", "unfiltered"}
    with pytest.raises(ValueError, match="REST_ALLOWS has 'all'"):
        Settings.from_environment({"REST_ALLOWS": "all"})


def test_a_value_that_breaks_a_strict_declaration_has_a_pointer() -> None:
    strict = Resource(name="notes", table="demo.notes", model=Note, key="id", strict=True)
    body = Body([{"id": "1"}, {"id": '"x"', "size": "1.5"}], is_many=True)
    with pytest.raises(ApiError) as raised:
        insertion_of(strict, body, {"columns": ["id,size"]}, NONE)
    assert [error["pointer"] for error in raised.value.errors] == ["#/1/id", "#/1/size"]
