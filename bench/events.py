"""The requests that are measured, as API Gateway's REST APIs send them (proxy integration, version 1.0)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

OPERATIONS = ("GET one", "list of 50", "list of 1000", "POST", "PUT", "DELETE")
EXISTING = 10_000  # orders that are there before and after
CUSTOMERS = 100


def existing_key(number: int) -> str:
    """The key of an order that is always there."""
    return f"O{number % EXISTING:07}"


def request(operation: str, number: int, prefix: str) -> dict[str, Any]:
    """The event of one operation; `prefix` and `number` make the key that a write has for itself."""
    key = f"T-{prefix}-{number}"  # behind the existing ones, so that the first page stays what it is
    customer = f"C{number % CUSTOMERS:04}"
    match operation:
        case "GET one":
            return event("GET", key=existing_key(number * 7919))
        case "POST":
            return event(
                "POST", body={"order_id": key, "customer_id": customer, "total_amount": 12.5, "status": "pending"}
            )
        case "PUT":
            return event("PUT", key=key, body={"customer_id": customer, "total_amount": 99.95, "status": "shipped"})
        case "DELETE":
            return event("DELETE", key=key)
    return event("GET", query=f"limit={operation.rsplit(maxsplit=1)[1]}")


def event(
    method: str, *, key: str | None = None, query: str = "", body: object = None, collection: str = "orders"
) -> dict[str, Any]:
    """One event with the headers that a browser's client and CloudFront make of a request."""
    resource = f"/{collection}" + ("" if key is None else "/{order_id}")
    path = f"/{collection}" + ("" if key is None else f"/{key}")
    parameters = dict(parse_qsl(query))
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Host": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
        "User-Agent": "bench/1.0",
        "X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678",
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": parameters or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in parameters.items()} or None,
        "pathParameters": None if key is None else {"order_id": key},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "123456",
            "apiId": "a1b2c3d4e5",
            "resourcePath": resource,
            "httpMethod": method,
            "path": f"/api{path}",
            "stage": "api",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "requestId": "6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "bench/1.0"},
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
