"""Events that a REST API of API Gateway sends to a function (proxy integration, payload version 1.0)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote


def event(
    method: str,
    path: str,
    *,
    resource: str | None = None,
    path_parameters: Mapping[str, str] | None = None,
    query: Mapping[str, Sequence[str]] | None = None,
    headers: Mapping[str, Sequence[str]] | None = None,
    body: str | bytes | None = None,
) -> dict[str, Any]:
    """Make an event. The simple members have the last value of a repeated header or parameter.

    `path` and its parameters are decoded. A body of bytes is sent in base64, as API Gateway does for binary media
    types.
    """
    sent = {"Host": ["abc.execute-api.eu-central-1.amazonaws.com"], **(headers or {})}
    if body is not None and "Content-Type" not in sent:
        sent["Content-Type"] = ["application/json"]
    return {
        "resource": resource or path,
        "path": unquote(path),
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in sent.items()},
        "multiValueHeaders": {name: list(values) for name, values in sent.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": {name: list(values) for name, values in query.items()} if query else None,
        "pathParameters": dict(path_parameters) if path_parameters else None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "2gxmpl",
            "resourcePath": resource or path,
            "httpMethod": method,
            "extendedRequestId": "JJbxmplHYosFVYQ=",
            "requestTime": "24/Nov/2026:09:12:28 +0000",
            "path": f"/api{path}",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "api",
            "domainPrefix": "abc",
            "requestTimeEpoch": 1795511548000,
            "requestId": "6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl/8.5.0", "userArn": None, "apiKeyId": None},
            "domainName": "abc.execute-api.eu-central-1.amazonaws.com",
            "apiId": "abc",
        },
        "body": b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": isinstance(body, bytes),
    }
