"""The comparison reports changes that break a client, and no other changes."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crud_api.openapi import document
from crud_api.tables import RESOURCES
from infra.dev import openapi_changes
from infra.dev.openapi_changes import breaking_changes

Json = dict[str, Any]
BEFORE = document(RESOURCES, "api_key")


def after(change: Callable[[Json], object]) -> list[str]:
    changed = copy.deepcopy(BEFORE)
    change(changed)
    return breaking_changes(BEFORE, changed)


def schema(document: Json, name: str) -> Json:
    found: Json = document["components"]["schemas"][name]
    return found


def operation(document: Json, path: str, method: str) -> Json:
    found: Json = document["paths"][path][method]
    return found


BREAKING: dict[str, Callable[[Json], object]] = {
    "GET /ready is gone": lambda d: d["paths"].pop("/ready"),
    "DELETE /orders/{order_id} is gone": lambda d: d["paths"]["/orders/{order_id}"].pop("delete"),
    "GET /health is no longer called get_health": lambda d: operation(d, "/health", "get").update(operationId="x"),
    "GET /ready asks for other credentials": lambda d: d.update(security=[]),
    "GET /orders: the query parameter limit is gone": lambda d: operation(d, "/orders", "get")["parameters"].remove(
        {"$ref": "#/components/parameters/limit"}
    ),
    "GET /orders: limit: maximum is 10 now": lambda d: d["components"]["parameters"]["limit"]["schema"].update(
        maximum=10
    ),
    "GET /orders: the query parameter limit is required now": lambda d: d["components"]["parameters"]["limit"].update(
        required=True
    ),
    "GET /orders: expand/* may no longer be customer": lambda d: d["components"]["parameters"]["orders.expand"][
        "schema"
    ]["items"].update(enum=["other"]),
    "POST /orders: body: status is required now": lambda d: schema(d, "NewOrder")["required"].append("status"),
    "POST /orders: body/status may no longer be shipped": lambda d: schema(d, "OrderStatus")["enum"].remove("shipped"),
    "POST /customers: body/email may no longer be null": lambda d: schema(d, "NewCustomer")["properties"][
        "email"
    ].update(type=["string"]),
    "POST /customers: body/city: pattern is ^a$ now": lambda d: schema(d, "NewCustomer")["properties"]["city"].update(
        pattern="^a$"
    ),
    "POST /customers: body: city is gone": lambda d: schema(d, "NewCustomer")["properties"].pop("city"),
    "PUT /orders/{order_id}: body/total_amount: minimum is 1 now": lambda d: schema(d, "OrderChange")["properties"][
        "total_amount"
    ].update(minimum=1),
    "PATCH /orders/{order_id}: a body of application/json is no longer taken": lambda d: operation(
        d, "/orders/{order_id}", "patch"
    )["requestBody"]["content"].pop("application/json"),
    "POST /orders: the answer 201 is gone": lambda d: operation(d, "/orders", "post")["responses"].pop("201"),
    "GET /orders: the answer 200 has no Link any more": lambda d: operation(d, "/orders", "get")["responses"]["200"][
        "headers"
    ].pop("Link"),
    "GET /orders: the answer 200 is no longer application/json": lambda d: operation(d, "/orders", "get")["responses"][
        "200"
    ].update(content={}),
    "PUT /orders/{order_id}: 200: status is gone": lambda d: schema(d, "Order")["properties"].pop("status"),
    "PUT /orders/{order_id}: 200: status may be absent now": lambda d: schema(d, "Order")["required"].remove("status"),
    "PUT /orders/{order_id}: 200/total_amount may now be null": lambda d: schema(d, "Order")["properties"][
        "total_amount"
    ].update(type=["number", "null"]),
    "GET /orders: 200/items/*: total_amount is gone": lambda d: schema(d, "OrderView")["properties"].pop(
        "total_amount"
    ),
    "GET /orders: 400/type may now be urn:x": lambda d: schema(d, "InvalidParameterProblem")["properties"]["type"][
        "enum"
    ].append("urn:x"),
}


@pytest.mark.parametrize("sentence", BREAKING)
def test_a_breaking_change_is_told(sentence: str) -> None:
    assert sentence in after(BREAKING[sentence])


COMPATIBLE: dict[str, Callable[[Json], object]] = {
    "a further path": lambda d: d["paths"].update({"/more": d["paths"]["/health"]}),
    "a further optional parameter": lambda d: operation(d, "/orders", "get")["parameters"].append(
        {"name": "more", "in": "query", "schema": {"type": "string"}}
    ),
    "a further member of an answer": lambda d: schema(d, "Order")["properties"].update(more={"type": "string"}),
    "a further value to send": lambda d: schema(d, "NewOrder")["properties"].update(status={"type": "string"}),
    "a larger limit": lambda d: d["components"]["parameters"]["limit"]["schema"].update(maximum=2000),
    "a field that need not be sent any more": lambda d: schema(d, "NewOrder")["required"].remove("total_amount"),
    "null to send": lambda d: schema(d, "NewOrder")["properties"]["total_amount"].update(type=["number", "null"]),
    "no null in an answer": lambda d: schema(d, "Customer")["properties"]["email"].update(type="string"),
    "another text": lambda d: d["info"].update(description="Better."),
    "a problem less": lambda d: operation(d, "/orders", "get")["responses"].pop("503"),
    "a further table": lambda d: d.update(document([*RESOURCES], "api_key")),
}


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_compatible_change_is_not(name: str) -> None:
    assert after(COMPATIBLE[name]) == []


@pytest.mark.parametrize(("version", "allowed"), [("0.2.1", False), ("0.3.0", True), ("1.0.0", True)])
def test_a_new_version_may_break(version: str, allowed: bool) -> None:
    def change(changed: Json) -> None:
        changed["info"]["version"] = version
        del changed["paths"]["/ready"]

    assert (after(change) == []) is allowed


@pytest.mark.parametrize(("before", "after", "allowed"), [("1.2.3", "1.3.0", False), ("1.2.3", "2.0.0", True)])
def test_after_the_first_version_only_a_major_one_may(before: str, after: str, allowed: bool) -> None:
    old, new = copy.deepcopy(BEFORE), copy.deepcopy(BEFORE)
    old["info"]["version"], new["info"]["version"] = before, after
    del new["paths"]["/ready"]
    assert (breaking_changes(old, new) == []) is allowed


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, described: Json) -> None:
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "docs" / "openapi.json").write_text(json.dumps(described))
    git(folder, "add", ".")
    git(folder, "commit", "--allow-empty", "-m", "x")


def test_the_file_is_compared_with_that_of_the_commit_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = copy.deepcopy(BEFORE)
    del broken["paths"]["/ready"]
    git(tmp_path, "init", "-b", "main")
    git(tmp_path, "commit", "--allow-empty", "-m", "x")
    assert openapi_changes.check(tmp_path) == 0
    commit(tmp_path, BEFORE)
    assert openapi_changes.check(tmp_path) == 0
    assert "nothing before it" in capsys.readouterr().out
    commit(tmp_path, broken)
    assert openapi_changes.check(tmp_path) == 1
    assert "GET /ready is gone" in capsys.readouterr().err


def test_on_a_branch_it_is_compared_with_where_the_branch_began(tmp_path: Path) -> None:
    broken = copy.deepcopy(BEFORE)
    del broken["paths"]["/ready"]
    git(tmp_path, "init", "-b", "main")
    commit(tmp_path, BEFORE)
    git(tmp_path, "checkout", "-b", "change")
    commit(tmp_path, broken)
    commit(tmp_path, broken)
    assert openapi_changes.check(tmp_path) == 1


def test_what_is_not_committed_yet_counts(tmp_path: Path) -> None:
    git(tmp_path, "init", "-b", "main")
    commit(tmp_path, BEFORE)
    commit(tmp_path, BEFORE)
    assert openapi_changes.check(tmp_path) == 0
    (tmp_path / "docs" / "openapi.json").write_text(json.dumps(BEFORE | {"paths": {}}))
    assert openapi_changes.check(tmp_path) == 1
