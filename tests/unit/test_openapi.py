"""The description fits the API: it is generated, complete and valid, and the committed copy is the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from msgspec import Meta, Struct, defstruct, field

from crud_api.access import KINDS
from crud_api.application import create_app
from crud_api.errors import InvalidFieldsError
from crud_api.openapi import API_VERSION, document
from crud_api.openapi.__main__ import description
from crud_api.openapi.problem_types import GATEWAY, every_problem_type
from crud_api.request import filters
from crud_api.request.body import parse_object
from crud_api.request.operators import OPERATORS
from crud_api.request.sorting import sort_of
from crud_api.request.validation import changes, new_row
from crud_api.resource import Reference, Resource
from crud_api.resource.columns.composite import Composite
from crud_api.resource.columns.number import Money
from crud_api.resource.functions import Function, Functions
from crud_api.tables import RESOURCES
from crud_api.tables.customers import customers
from crud_api.tables.orders import orders
from infra.gateway.responses import PROBLEMS
from query_executor.contract import Reply
from tests.functional.test_third_table import products

ROOT = Path(__file__).parents[2]
DOCUMENT = document(RESOURCES, "api_key")
# The page for people and preflights are not described. HEAD is GET without the body.
NOT_DESCRIBED = {"/", "/docs", "/docs/{asset}"}


class Review(Struct):
    review_id: int
    product_id: int
    stars: Literal["one", "two"] | None = None


Visit = defstruct("Visit", [("visit_id", UUID), ("day", date, date(2026, 1, 31)), ("at", datetime | None, None)])
visits = Resource(name="visits", table="visits", model=Visit, key="visit_id")
reviews = Resource(
    name="reviews",
    table="demo.reviews",
    model=Review,
    key="review_id",
    references={"product_id": Reference(resource="products", name="product", reverse="reviews")},
)


class Cost(Struct):
    amount: Money


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def resolved(described: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found: Any = described
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


_components: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}


def validator(described: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    # JSON Schema uses patterns of ECMAScript, where $ is the end. In Python, it also matches before a last line feed.
    ours: dict[str, Any] = json.loads(json.dumps(schema), object_hook=_with_python_ends)
    if id(described) not in _components:  # to make them takes longer than to check all examples
        components = json.loads(json.dumps(described["components"]), object_hook=_with_python_ends)
        _components[id(described)] = described, components  # keeps the object, so no other gets its id
    return Draft202012Validator(ours | {"components": _components[id(described)][1]})


def _with_python_ends(value: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value.get("pattern"), str):
        return value | {"pattern": value["pattern"].replace("$", r"\Z")}
    return value


def test_the_committed_file_is_the_one_that_is_generated() -> None:
    committed = (ROOT / "docs" / "openapi.json").read_text()
    assert committed == description(), "run make openapi"


def test_its_version_is_the_projects() -> None:
    assert f'version = "{API_VERSION}"' in (ROOT / "pyproject.toml").read_text()


def test_every_view_is_described_under_its_name_and_nothing_else_is() -> None:
    resources = [*RESOURCES, products, reviews]
    functions = Functions(Function(name="add_up", function="demo.add_up", gives="value"))
    app = create_app(lambda _: Reply([]), resources, functions=functions)
    views = {
        (path, method.lower()): route.view_name
        for path, methods in app.routes.items()
        if path not in NOT_DESCRIBED
        for method, route in methods.items()
        if method not in {"HEAD", "OPTIONS"}
    }
    described = {
        (path, method): one["operationId"]
        for path, method, one in operations(document(resources, "none", None, functions.names()))
    }
    assert described == views


def test_the_path_of_functions_names_them_and_without_functions_there_is_none() -> None:
    (name,) = document(RESOURCES, "none", None, ["add_up", "b c"])["paths"]["/rest/v1/rpc/{function}"]["parameters"]
    assert name["schema"]["enum"] == ["add_up", "b c"]
    assert not any("rpc" in path for path in document(RESOURCES, "none")["paths"])
    assert not any("rpc" in path for path in create_app(lambda _: Reply([])).routes)


def test_a_third_and_a_fourth_table_are_described_by_their_declarations() -> None:
    described = document([*RESOURCES, products, reviews], "none")
    new = described["components"]["schemas"]["NewReview"]["properties"]
    assert new["stars"]["enum"] == ["one", "two", None]
    assert new["product_id"] == {
        "type": "integer",
        "format": "int64",
        "minimum": -(2**63),
        "maximum": 2**63 - 1,
        "description": "A whole number.",
        "examples": [1],
    }
    parameters = [resolved(described, one) for one in described["paths"]["/reviews"]["get"]["parameters"]]
    # The column has no row with a number that it cannot hold, so a filter takes any.
    (filter_,) = [one for one in parameters if one["name"] == "product_id[gte]"]
    assert filter_["schema"] == {"type": "integer", "format": "int64", "examples": [1]}
    assert "/products/{product_id}/reviews" in described["paths"]


def test_dates_and_uuids_have_their_format_in_bodies_and_filters() -> None:
    described = document([visits], "none")
    formats = {"visit_id": "uuid", "day": "date", "at": "date-time"}
    new = described["components"]["schemas"]["NewVisit"]
    assert {name: one["format"] for name, one in new["properties"].items()} == formats
    assert "default" not in new["properties"]["day"]
    for name, form in formats.items():
        assert described["components"]["parameters"][f"visits.{name}.gte"]["schema"]["format"] == form


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (dict[str, int], "dict"), (list, "list"), (list[Any], "Any"), (list[int | str], "union"), (Any, "Any"),
        (bytearray, "bytearray"), (Annotated[time, Meta(ge=3)], "Meta"), (Annotated[list[int], Meta(ge=3)], "Meta"),
        (Annotated[Cost, Composite("c")], "amount"), (Annotated[int, Composite("c")], "Struct"),
        (list[list[bytes]], "bytes"), (list[list[list[list[list[list[list[int]]]]]]], "dimensions"),
        (Literal[1, 2], "Literal"), (Literal["a", 1], "Literal"), (int | str, "union"), (Struct, "Struct"),
        (Annotated[Decimal, Meta(ge=0)], "Meta"), (Annotated[str | None, Meta(max_length=3)], "declared as"),
        (Enum("Mood", {"SAD": "sad"}), "Mood"), (object, "object"), (tuple, "tuple"),
    ],
)  # fmt: skip
def test_a_type_that_would_not_be_carried_unchanged_is_refused_when_it_is_declared(kind: Any, reason: str) -> None:
    for hint in (kind, kind | None) if reason not in {"Any", "declared as", "Mood"} else (kind,):
        model = defstruct("Visit", [("visit_id", int), ("what", hint, None)])
        with pytest.raises(ValueError, match=rf"^Visit\.what .*{reason}.*Declare|^Visit\.what has a Meta"):
            Resource(name="visits", table="visits", model=model, key="visit_id")


def test_a_declaration_whose_names_or_defaults_do_not_fit_is_refused() -> None:
    model = defstruct("Visit", [("visit_id", int), ("day", Literal["a", "b"], "c")])
    with pytest.raises(ValueError, match="day has a default that its own type refuses"):
        Resource(name="visits", table="visits", model=model, key="visit_id")
    made = defstruct("Visit", [("visit_id", int), ("day", str, field(default_factory=str))])
    with pytest.raises(ValueError, match="default_factory"):
        Resource(name="visits", table="visits", model=made, key="visit_id")
    for more in ({"key": "id"}, {"read_only": frozenset({"made"})}, {"updated_at": "changed"}):
        with pytest.raises(ValueError, match="which its model does not have"):
            Resource(**{"name": "v", "table": "v", "model": Review, "key": "review_id", **more})  # type: ignore[arg-type]


def test_every_operator_of_a_filter_is_a_parameter() -> None:
    parameters = [resolved(DOCUMENT, one) for one in DOCUMENT["paths"]["/orders"]["get"]["parameters"]]
    operators = {one["name"].removeprefix("status")[1:-1] for one in parameters if one["name"].startswith("status[")}
    assert operators == set(OPERATORS)
    numbers = {one["name"] for one in parameters if one["name"].startswith("total_amount[")}
    assert "total_amount[like]" not in numbers
    assert "total_amount[ilike]" not in numbers
    assert len(numbers) == len(OPERATORS) - 2


@pytest.mark.parametrize("access", ["none", "api_key", "iam", "cognito"])
def test_every_example_is_valid(access: str) -> None:
    described = document([*RESOURCES, products, reviews], access)
    checked = 0
    for _, _, operation in operations(described):
        for parameter in (resolved(described, one) for one in operation.get("parameters", [])):
            shown = [parameter["example"]] if "example" in parameter else parameter["schema"].get("examples", [])
            for example in shown:
                checked += 1
                validator(described, parameter["schema"]).validate(example)
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for holder in [*bodies, *(resolved(described, one) for one in operation["responses"].values())]:
            for media in holder.get("content", {}).values():
                for example in media["examples"].values():
                    checked += 1
                    validator(described, media["schema"]).validate(example["value"])
    assert checked > 100


def test_every_type_of_problem_is_described_with_an_example() -> None:
    schemas = {
        name: schema
        for access in KINDS
        for name, schema in document(RESOURCES, access)["components"]["schemas"].items()
    }
    for kind in every_problem_type():
        if kind.slug == "method-not-allowed":  # no described operation has this problem
            continue
        schema = schemas[f"{kind.name}Problem"]
        assert schema["properties"]["type"]["enum"] == [kind.uri]
        assert validator(DOCUMENT, schema).is_valid(schema["examples"][0])
        assert schema["examples"][0]["status"] == kind.status


def test_what_api_gateway_answers_by_itself_is_described_as_it_is_set_there() -> None:
    described = {(kind.status, kind.slug, kind.title) for kind in every_problem_type()}
    set_there = {(one.status, one.slug, one.title) for one in PROBLEMS.values() if one.status}
    assert set_there <= described
    own = {(kind.status, kind.slug, kind.title) for kind in GATEWAY}
    assert own <= set_there


@pytest.mark.parametrize(
    ("access", "scheme", "status"),
    [("api_key", "x-api-key", "403"), ("iam", "Authorization", "403"), ("cognito", None, "401")],
)
def test_each_access_has_its_scheme_and_health_needs_none(access: str, scheme: str | None, status: str) -> None:
    described = document(RESOURCES, access)
    assert described["security"] == [{access: []}]
    assert described["components"]["securitySchemes"][access].get("name") == scheme
    assert status in described["paths"]["/customers"]["get"]["responses"]
    assert described["paths"]["/health"]["get"]["security"] == []
    assert status not in described["paths"]["/health"]["get"]["responses"]


def test_an_open_api_describes_no_credentials() -> None:
    described = document(RESOURCES, "none")
    assert described["security"] == []
    assert "securitySchemes" not in described["components"]
    assert described["paths"]["/customers"]["get"]["responses"]["403"] == {
        "$ref": "#/components/responses/NotPermitted"
    }


NEW_CUSTOMERS = [
    {}, {"customer_id": "C"}, {"customer_id": "C", "customer_name": "A"}, {"customer_id": "C", "customer_name": " "},
    {"customer_id": "C", "customer_name": "\x1c"}, {"customer_id": "C", "customer_name": "\ufeff"},
    {"customer_id": "C", "customer_name": "\x85"}, {"customer_id": "C", "customer_name": " a\x1c"},
    {"customer_id": "C", "customer_name": "a\x00"}, {"customer_id": "C", "customer_name": None},
    {"customer_id": "C", "customer_name": "x" * 200}, {"customer_id": "C", "customer_name": "x" * 201},
    {"customer_id": "C", "customer_name": "\U0001f600" * 200}, {"customer_id": "C", "customer_name": 5},
    {"customer_id": ".", "customer_name": "A"}, {"customer_id": "..", "customer_name": "A"},
    {"customer_id": "...", "customer_name": "A"}, {"customer_id": "a b", "customer_name": "A"},
    {"customer_id": " a", "customer_name": "A"}, {"customer_id": "a\n", "customer_name": "A"},
    {"customer_id": "a\rb", "customer_name": "A"}, {"customer_id": "a\u2028b", "customer_name": "A"},
    {"customer_id": "a\nb", "customer_name": "A"}, {"customer_id": "\ufeffa", "customer_name": "A"},
    {"customer_id": "", "customer_name": "A"}, {"customer_id": "x" * 65, "customer_name": "A"},
    {"customer_id": "C", "customer_name": "A", "email": None}, {"customer_id": "C", "customer_name": "A", "email": "a"},
    {"customer_id": "C", "customer_name": "A", "email": "a@b.c"},
    {"customer_id": "C", "customer_name": "A", "email": "a@b.c\n"},
    {"customer_id": "C", "customer_name": "A", "email": "a\x1f@b.c"},
    {"customer_id": "C", "customer_name": "A", "city": ""}, {"customer_id": "C", "customer_name": "A", "city": "\x00"},
    {"customer_id": "C", "customer_name": "A", "city": "x" * 201},
    {"customer_id": "C", "customer_name": "A", "nickname": "B"},
]  # fmt: skip
NEW_ORDERS = [
    {"order_id": "O", "customer_id": "C", "total_amount": amount}
    for amount in (0, -0.01, 0.01, 1.005, 150.75, 9999999999.99, 10000000000, True, "1", None, 0.1, 1e3)
] + [
    {"order_id": "O", "customer_id": "C", "total_amount": 1, "status": status}
    for status in ("pending", "shipped", "lost", "", None, 1)
]


@pytest.mark.parametrize(
    ("resource", "body"), [(customers, one) for one in NEW_CUSTOMERS] + [(orders, one) for one in NEW_ORDERS]
)
def test_a_new_row_is_described_as_it_is_validated(resource: Resource, body: dict[str, Any]) -> None:
    schema = DOCUMENT["components"]["schemas"][f"New{resource.model.__name__}"]
    try:
        new_row(resource, parse_object(json.dumps(body)))
        accepted = True
    except InvalidFieldsError:
        accepted = False
    # As floating-point numbers, most amounts are not a multiple of 0.01. So only words describe the decimal places.
    if body.get("total_amount") != 1.005:
        assert validator(DOCUMENT, schema).is_valid(body) is accepted


@pytest.mark.parametrize("name", ["NewOrder", "OrderChange", "NewCustomerOrder", "OrderStatus"])
def test_no_body_has_a_default_that_a_client_would_fill_in(name: str) -> None:
    assert '"default"' not in json.dumps(DOCUMENT["components"]["schemas"][name])


def test_an_amount_is_no_multiple_of_anything() -> None:
    assert "multipleOf" not in json.dumps(DOCUMENT)


def test_what_is_always_answered_is_required_and_a_choice_is_one_everywhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("Order", "OrderView"):
        assert schemas[name]["required"] == list(orders.fields)
    for name in ("Order", "OrderView", "NewOrder", "NewCustomerOrder", "OrderChange"):
        assert schemas[name]["properties"]["status"] == {"$ref": "#/components/schemas/OrderStatus"}
    assert schemas["OrderStatus"]["enum"] == ["pending", "processing", "shipped", "delivered", "cancelled"]


def test_operations_are_called_by_what_they_do_to_how_many() -> None:
    names = [one["operationId"] for path, _, one in operations(DOCUMENT) if "customer" in path]
    assert names == [
        "list_customers", "create_customer", "create_many_customers", "get_customer", "update_customer_by_put",
        "update_customer", "delete_customer", "list_customer_orders",
    ]  # fmt: skip


def test_an_answer_that_may_be_of_several_problems_is_told_by_its_type() -> None:
    schema = DOCUMENT["components"]["schemas"]["IdempotencyKeyReusedOrInvalidFieldsProblem"]
    assert schema["discriminator"]["propertyName"] == "type"
    for uri, of in schema["discriminator"]["mapping"].items():
        assert resolved(DOCUMENT, {"$ref": of})["properties"]["type"]["enum"] == [uri]
        assert resolved(DOCUMENT, {"$ref": of})["required"] == ["type", "title", "status", "detail", "instance"]


@pytest.mark.parametrize("body", [{}, {"email": None}, {"email": 1}, {"customer_name": None}, {"customer_id": "C"}])
def test_a_change_is_described_as_it_is_validated(body: dict[str, Any]) -> None:
    try:
        changes(customers, parse_object(json.dumps(body)), ("C",))
        accepted = True
    except InvalidFieldsError:
        accepted = False
    schema = DOCUMENT["components"]["schemas"]["CustomerChange"]
    assert validator(DOCUMENT, schema).is_valid(body) is accepted


def patterns(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "pattern" and isinstance(inner, str):
                yield inner
            else:
                yield from patterns(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from patterns(inner)


STRINGS = [
    "",
    "a",
    "A b",
    "a@b.c",
    "-city,email",
    "2026-01-31T09:30:00Z",
    '"e"',
    '"a",b',
    "a\\",
    ".",
    "..",
    "GET, PUT",
] + [
    f"{before}{character}{after}"
    for character in "\x00\t\n\r\x0b\x1c\x1f \x7f\x85\xa0\u1680\u180e\u2028\u2029\u200b\u3000\ufeff\U0001f600"
    for before, after in [("", ""), ("a", ""), ("", "a"), ("a", "b"), ("a@b", ".c")]
]
# Node is one of the development tools. JSON Schema requires the flag u.
_IN_ECMASCRIPT = """
const [patterns, strings] = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(patterns.map(one => strings.map(text => new RegExp(one, "u").test(text)))));
"""


def test_patterns_mean_the_same_in_python_and_in_ecmascript() -> None:
    published = sorted(set(patterns(DOCUMENT)))
    done = subprocess.run(
        [Path(sys.executable).with_name("node"), "-e", _IN_ECMASCRIPT],
        input=json.dumps([published, STRINGS]),
        capture_output=True,
        text=True,
        check=True,
    )
    for pattern, found in zip(published, json.loads(done.stdout), strict=True):
        assert [text for text, is_found in zip(STRINGS, found, strict=True) if is_found] == [
            text for text in STRINGS if re.search(pattern.replace("$", r"\Z"), text)
        ], pattern


@pytest.mark.parametrize(
    ("sort", "valid"),
    [
        ("city", True), ("-city,customer_id", True), ("city,city", False), ("city,-city", False), ("", False),
        ("town", False), ("city,", False), ("--city", False), ("-city,email,state", True),
        ("customer_id,customer_name,email,city,state", True),
        ("customer_id,customer_name,email,city,state,created_at", False),
    ],
)  # fmt: skip
def test_sort_is_described_as_it_is_read(sort: str, valid: bool) -> None:
    schema = DOCUMENT["components"]["parameters"]["customers.sort"]["schema"]
    assert validator(DOCUMENT, schema).is_valid(sort) is valid
    try:
        sort_of(customers, sort)
        read = True
    except ValueError:
        read = False
    assert read is valid


@pytest.mark.parametrize(
    "listed",
    ["a", "", "a,b", '"a,b"', '"a', 'a"b', '"a"b', '"a\\"b",c', '"\\', ",", "a,", "x" * 1000, "x" * 1001, "a\x00"],
)
def test_lists_of_texts_are_described_as_they_are_read(listed: str) -> None:
    schema = DOCUMENT["components"]["parameters"]["customers.city.in"]["schema"]
    try:
        filters.filter_of(customers, "city[in]", listed)
        read = True
    except ValueError:
        read = False
    assert validator(DOCUMENT, schema).is_valid(listed) is read


def test_the_app_starts_without_the_description_and_the_page() -> None:
    script = (
        "import sys; from crud_api.application import create_app; create_app(print, cors_origins=['https://a.b']); "
        "print([name for name in sys.modules if name.startswith(('crud_api.openapi', 'gzip'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
