"""/rest/v1 reads for its caller: no filter, count, embedding or error shows a row of another caller."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from crud_api.application import create_app
from crud_api.executor.seam import InProcessExecutor
from query_executor.handler import create_local_handler
from query_executor.migrate import apply_migrations
from tests.conftest import execute as run_sql
from tests.functional.callers import CALLERS, FOLDERS, NOTES, SEEN, secured
from tests.gateway_events import event

Read = Callable[..., Mapping[str, Any]]


@pytest.fixture
def read(database_url: str) -> Iterator[Read]:
    apply_migrations(database_url)
    with secured(database_url) as url:
        for n, caller in enumerate(CALLERS, 1):
            run_sql(
                database_url,
                f"INSERT INTO demo.folders (id, label, owner) VALUES ({n}, 'of-{caller}-folder', '{caller}');"
                "INSERT INTO demo.notes (id, label, folder_id, owner) "
                f"SELECT {n} * 100 + k, 'of-{caller}-note', {n}, '{caller}' FROM generate_series(1, {n}) AS k",
            )
        # A note of eve in a folder of ada, as an administrator may leave it.
        run_sql(
            database_url, "INSERT INTO demo.notes (id, label, folder_id, owner) VALUES (9, 'of-eve-note', 1, 'eve')"
        )
        run_sql(database_url, "ANALYZE demo.notes")
        app = create_app(InProcessExecutor(create_local_handler(url)), [FOLDERS, NOTES, SEEN], access="cognito")

        def send(caller: str, table: str, **query: str) -> Mapping[str, Any]:
            headers = {"Prefer": [f"count={query.pop('count')}"]} if "count" in query else {}
            sent = event(
                "GET", f"/rest/v1/{table}", resource="/rest/v1/{table}", path_parameters={"table": table},
                query={name: [text] for name, text in query.items()}, headers=headers,
            )  # fmt: skip
            sent["requestContext"]["authorizer"] = {"claims": {"sub": caller}}
            return app(sent, None)

        yield send


@pytest.mark.parametrize(
    "query",
    [
        {"table": "notes"},
        {"table": "notes", "select": "*,folders(*)"},
        {"table": "notes", "select": "label,...folders(folder:label)", "order": "folders(label).desc"},
        {"table": "folders", "select": "*,notes(*)"},
        {"table": "folders", "select": "label,notes!inner(label)", "notes.label": "like.*note"},
        {"table": "folders", "select": "label,...notes(labels:label)"},
        {"table": "notes", "select": "label.max(),label.min(),count()"},
        {"table": "notes", "or": "(label.like.*a*,label.like.*e*)"},
        {"table": "notes", "select": "label::int"},
        {"table": "notes", "id": "eq.of"},
        {"table": "notes", "label->a": "eq.1"},
        # Through a view, and through functions of a row.
        {"table": "seen", "select": "*,folders(*)"},
        {"table": "seen", "select": "label.max(),label.min(),count()"},
        {"table": "seen", "select": "label::int"},
        {"table": "seen", "select": "label,...folders(folder:label)", "order": "folders(label).desc"},
        {"table": "folders", "select": "*,seen(*)"},
        {"table": "folders", "select": "label,seen!inner(label,folders(*,notes(*)))", "seen.label": "like.*note"},
        {"table": "folders", "select": "*,names,inside(*)", "order": "names.desc"},
        {"table": "folders", "select": "names::int"},
        {"table": "folders", "select": "names.max(),...inside(labels:label)"},
        {"table": "folders", "select": "*,inside!inner(*,within(*,names))"},
        {"table": "notes", "select": "*,within(*)", "order": "within(names)"},
    ],
)
def test_an_answer_has_only_rows_of_its_caller(read: Read, query: dict[str, str]) -> None:
    for caller in CALLERS:
        answer = read(caller, **query)
        others = [other for other in CALLERS if other != caller]
        assert not any(f"of-{other}" in json.dumps(answer) for other in others), (caller, answer)
        assert answer["statusCode"] in {200, 400}


@pytest.mark.parametrize("count", ["exact", "planned", "estimated"])
def test_a_count_counts_only_rows_of_its_caller(read: Read, count: str) -> None:
    for table in ("notes", "seen"):
        for caller, own in (("ada", 1), ("bob", 2), ("eve", 4)):
            assert read(caller, table, count=count)["headers"]["Content-Range"] == f"0-{own - 1}/{own}"


def test_a_view_and_a_function_find_what_the_caller_may_see(read: Read) -> None:
    hidden = {"label": "of-eve-note", "folder_id": 1, "folders": None}
    assert json.loads(read("eve", "seen", id="eq.9", select="label,folder_id,folders(label)")["body"]) == [hidden]
    assert json.loads(read("eve", "notes", id="eq.9", select="within(label)")["body"]) == [{"within": None}]
    own = [{"names": "of-ada-note", "seen": [{"id": 101}], "inside": [{"id": 101}]}]
    assert json.loads(read("ada", "folders", select="names,seen(id),inside(id)")["body"]) == own
    assert json.loads(read("bob", "folders", names="like.*eve*", select="id")["body"]) == []


def test_a_row_that_refers_to_a_hidden_row_has_null_in_its_place(read: Read) -> None:
    answer = read("eve", "notes", id="eq.9", select="label,folder_id,folders(label)")
    assert json.loads(answer["body"]) == [{"label": "of-eve-note", "folder_id": 1, "folders": None}]
    assert json.loads(read("eve", "notes", id="eq.9", select="id,folders!inner(id)")["body"]) == []
    assert json.loads(read("ada", "folders", select="notes(id)")["body"]) == [{"notes": [{"id": 101}]}]
