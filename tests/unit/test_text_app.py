"""TextOnlyChalice skips the search for binary bodies. It answers like Chalice, which still calls its override."""

from __future__ import annotations

import os
from inspect import isfunction
from typing import Any

import pytest
from chalice.app import Chalice, RestAPIEventHandler
from chalice.test import Client

from crud_api.runtime.text_only_chalice import TextOnlyChalice, _TextHandler


def example(app: Chalice) -> Chalice:
    app.api.binary_types = []

    @app.middleware("http")
    def mark(request: Any, get_response: Any) -> Any:
        response = get_response(request)
        response.headers["X-Method"] = request.method
        return response

    @app.route("/things/{name}", methods=["GET", "PUT"])
    def view(name: str) -> dict[str, Any]:
        request: Any = app.current_request
        return {"name": name, "query": dict(request.query_params or {}), "aws": app.lambda_context is not None}

    return app


@pytest.mark.parametrize("accept", ["*/*", "application/json", "image/png", "", "application/octet-stream;q=0.5, */*"])
@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("GET", "/things/a?b=c", "application/json"),
        ("PUT", "/things/a", "application/json; charset=utf-8"),
        ("PUT", "/things/a", "text/plain"),
        ("POST", "/things/a", "application/json"),
    ],
)
def test_it_answers_as_chalice_does(method: str, path: str, content_type: str, accept: str) -> None:
    answers = []
    for app in (Chalice("x", configure_logs=False), TextOnlyChalice("x", configure_logs=False)):
        with Client(example(app)) as client:
            headers = {"Accept": accept, "Content-Type": content_type}
            answer = getattr(client.http, method.lower())(path, headers=headers, body=b"{}")
            answers.append((answer.status_code, answer.headers, answer.body))
    assert answers[0] == answers[1]


def test_chalice_still_asks_what_is_overridden() -> None:
    """If Chalice no longer calls it, answers are right but slower."""
    asked = {name for one in vars(RestAPIEventHandler).values() if isfunction(one) for name in one.__code__.co_names}
    assert {"_validate_binary_response"} <= asked & vars(RestAPIEventHandler).keys()


def test_what_was_copied_of_chalice_is_still_what_it_does() -> None:
    theirs, ours = (set(answer.__code__.co_names) for answer in (Chalice.__call__, TextOnlyChalice._answer))
    assert theirs ^ ours == {"RestAPIEventHandler", "api", "_TextHandler", "_TEXT", "list", "_identify"}
    made = (RestAPIEventHandler.create_request_object, _TextHandler.create_request_object)
    theirs, ours = (set(method.__code__.co_names) for method in made)
    assert theirs ^ ours == {"Request", "ApiRequest", "_identify"}


@pytest.mark.parametrize("_time", [1, 2])
def test_an_app_of_a_test_is_not_in_the_environment_of_the_next_test(_time: int) -> None:
    assert "aws-chalice" not in os.environ.get("AWS_EXECUTION_ENV", "")
    Chalice("crud-api")
