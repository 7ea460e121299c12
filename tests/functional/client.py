"""The API as a client sees it, over any executor. It counts the invocations of the executor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chalice.test import Client

from crud_api.application import create_app
from crud_api.executor.seam import Execute, InProcessExecutor
from crud_api.functions import FUNCTIONS
from crud_api.resource import Resource
from crud_api.resource.functions import Functions
from crud_api.resource.tables import Tables
from crud_api.tables import RESOURCES
from query_executor.contract import Failure, Reply, Request
from query_executor.handler import create_local_handler


class Response:
    """Status, headers (in lower case) and body of a response."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def pointers(self) -> list[str]:
        """The fields that a problem names."""
        return [error["pointer"] for error in self.json.get("errors", [])]


class Api:
    """Sends requests through Chalice's test client."""

    def __init__(
        self,
        execute: Execute,
        resources: Sequence[Resource] = RESOURCES,
        tables: Sequence[Resource] = (),
        functions: Functions = FUNCTIONS,
        rest_allows: Sequence[str] = (),
    ) -> None:
        self.invocations = 0
        self._execute = execute
        of_rest = Tables(*resources, *tables)
        app = create_app(self._counted, resources, tables=of_rest, functions=functions, rest_allows=rest_allows)
        self._client = Client(app, stage_name="local")

    def _counted(self, request: Request) -> Reply | Failure:
        self.invocations += 1
        return self._execute(request)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """Send a request. A `body` of bytes is sent as it is, any other body as JSON. A _ in a header means -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        answer = self._client.http.request(method, path, headers=sent, body=body or b"")
        return Response(answer.status_code, answer.headers, answer.body)


def api_on(database_url: str, resources: Sequence[Resource] = RESOURCES) -> Api:
    """The API on a database, with the executor in this process."""
    return Api(InProcessExecutor(create_local_handler(database_url)), resources)
