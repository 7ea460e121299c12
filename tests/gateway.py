"""The API as API Gateway calls it: one REST API event (payload version 1.0) per request, and one app per caller."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from crud_api.access import NO_ROLES, Roles
from crud_api.application import create_app
from crud_api.executor.seam import Execute
from crud_api.resource import Resource
from crud_api.tables import RESOURCES
from tests.functional.client import Response


class GatewayApi:
    """Calls the app. Chalice's test client changes the process; this class does not, so each thread can have one."""

    def __init__(
        self,
        execute: Execute,
        resources: Sequence[Resource] = RESOURCES,
        *,
        identity: Mapping[str, str] | None = None,
        claims: Mapping[str, Any] | None = None,
        roles: Roles = NO_ROLES,
        stage: str = "api",
    ) -> None:
        known = identity or {}
        access = "cognito" if claims else "iam" if "userArn" in known else "api_key" if "apiKeyId" in known else "none"
        self._app = create_app(execute, resources, access=access, roles=roles)
        self._stage = stage
        self._context: dict[str, Any] = {"identity": {"sourceIp": "192.0.2.1", **(identity or {})}, "stage": stage}
        if claims:
            self._context["authorizer"] = {"claims": dict(claims)}

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        encoded: bool = False,
        key: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Response:
        """Send a request. With `encoded`, the body is in base64, like the body of a binary type of the API.

        `key` has the name and the value of the parameter at the end of the path.
        """
        route, parameters = path, None
        for name, value in (key or {}).items():
            route, parameters, path = f"{path}/{{{name}}}", {name: value}, f"{path}/{value}"
        sent = {"content-type": "application/json"} | {name.replace("_", "-"): one for name, one in headers.items()}
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        event = {
            "resource": route,
            "path": path,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()},
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
            "pathParameters": parameters,
            "stageVariables": None,
            "requestContext": {
                **self._context,
                "resourcePath": route,
                "httpMethod": method,
                "path": f"/{self._stage}{path}",
                "requestId": str(uuid4()),
            },
            "body": text,
            "isBase64Encoded": encoded,
        }
        answer = self._app(event, None)
        return Response(answer["statusCode"], answer["headers"], answer["body"].encode())
