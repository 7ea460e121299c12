"""Lists as API Gateway calls them (REST API events, payload version 1.0)."""

from __future__ import annotations

import json
from typing import Any

from crud_api.application import create_app
from crud_api.sql.select import SEPARATOR
from query_executor.contract import Reply, Request, Result


def nested_list(parameters: dict[str, list[str]]) -> tuple[dict[str, Any], list[Request]]:
    """The response with the orders of the customer `a/b ä`, and the requests that the executor got for it."""
    requests = list[Request]()

    def execute(request: Request) -> Reply:
        requests.append(request)
        return Reply([Result([], [[SEPARATOR.join(['{"n":1}', '{"n":2}']), 2, ["O1"], ["O1"], None, True, None]], 1)])

    event = {
        "resource": "/customers/{customer_id}/orders",
        "path": "/customers/a/b ä/orders",
        "httpMethod": "GET",
        "headers": {},
        "multiValueHeaders": {},
        "queryStringParameters": {name: values[-1] for name, values in parameters.items()} or None,
        "multiValueQueryStringParameters": parameters or None,
        "pathParameters": {"customer_id": "a/b ä"},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/customers/{customer_id}/orders",
            "httpMethod": "GET",
            "path": "/api/customers/a/b ä/orders",
            "stage": "api",
            "requestId": "6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c",
            "identity": {"sourceIp": "203.0.113.7"},
        },
        "body": None,
        "isBase64Encoded": False,
    }
    return create_app(execute)(event, None), requests


def test_a_nested_list_names_its_neighbours_below_the_stage() -> None:
    answer, (request,) = nested_list({"limit": ["1"], "total_amount[gte]": ["0.5"]})
    assert answer["statusCode"] == 200, answer
    page = json.loads(answer["body"])
    assert page["items"] == [{"n": 1}]
    start = "/api/customers/a%2Fb%20%C3%A4/orders?limit=1&total_amount%5Bgte%5D=0.5&cursor="
    assert page["next"].startswith(start)
    assert answer["headers"]["Link"] == f'<{page["next"]}>; rel="next"'
    assert request.statements[0].params == {"parent": "a/b ä", "filter_0": "0.5", "limit": 1}


def test_a_repeated_parameter_is_seen_though_the_single_valued_members_have_its_last_only() -> None:
    answer, requests = nested_list({"status": ["pending", "shipped"]})
    assert (answer["statusCode"], requests) == (400, [])
    assert json.loads(answer["body"])["errors"] == [{"detail": "status must not be repeated", "parameter": "status"}]
