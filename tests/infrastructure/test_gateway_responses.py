"""The responses of API Gateway itself look like problems of the API: format, words and headers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from crud_api import errors
from crud_api.access import KINDS
from crud_api.errors import ApiError
from crud_api.response import problems
from infra.gateway.responses import PROBLEMS, responses

WITHOUT_STATUS = {"DEFAULT_4XX", "DEFAULT_5XX"}


def every(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    for one in kind.__subclasses__():
        yield one
        yield from every(one)


def document(response: dict[str, Any]) -> dict[str, Any]:
    (template,) = response["responseTemplates"].values()
    return dict(json.loads(template))


def headers(response: dict[str, Any]) -> dict[str, str]:
    """Return the headers of a response. Constant values are in single quotes."""
    found = {}
    for name, value in response["responseParameters"].items():
        assert re.fullmatch(r"'[^']+'", value)
        found[name.removeprefix("gatewayresponse.header.")] = value[1:-1]
    return found


def test_every_type_that_there_is_has_its_response() -> None:
    client = boto3.client("apigateway", region_name="eu-central-1")
    assert PROBLEMS.keys() == set(client.meta.service_model.shape_for("GatewayResponseType").enum)


@pytest.mark.parametrize("access", KINDS)
def test_they_have_the_form_of_the_apis_own_problems(access: str) -> None:
    own = problems.to_response(errors.NotFoundError("why"), "$context.requestId")
    members = json.loads(own.body)
    for kind, response in responses(access, ()).items():
        problem = document(response)
        assert problem.keys() == members.keys() - ({"status"} if kind in WITHOUT_STATUS else set())
        assert problem["instance"] == members["instance"]
        assert response.get("statusCode") == (None if kind in WITHOUT_STATUS else str(problem["status"]))
        sent = headers(response)
        assert (sent["Content-Type"], sent["Cache-Control"]) == ("application/problem+json", "no-store")
        # The response repeats nothing else of the request, because API Gateway does not escape it.
        assert str(response).count("$") == str(response).count("$context.requestId") == 1


def test_a_slug_means_the_same_here_and_in_the_api() -> None:
    known: dict[str, tuple[str, int | None]] = {one.slug: (one.title, one.status) for one in every(ApiError)}
    of_the_api = set()
    for access in KINDS:
        for kind, response in responses(access, ()).items():
            problem = document(response)
            slug = problem["type"].removeprefix("urn:problem-type:crud-api:")
            said = (problem["title"], problem.get("status"))
            assert known.setdefault(slug, said) == said, kind
            of_the_api |= {slug} & {one.slug for one in every(ApiError)}
    assert len({title for title, _ in known.values()}) == len(known)
    assert {"not-found", "body-too-large", "unsupported-media-type", "malformed-body"} <= of_the_api


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("ACCESS_DENIED", 403),
        ("BAD_REQUEST_BODY", 400),
        ("INTEGRATION_FAILURE", 504),
        ("INTEGRATION_TIMEOUT", 504),
        ("INVALID_API_KEY", 403),
        ("MISSING_AUTHENTICATION_TOKEN", 404),
        ("QUOTA_EXCEEDED", 429),
        ("REQUEST_TOO_LARGE", 413),
        ("RESOURCE_NOT_FOUND", 404),
        ("THROTTLED", 429),
        ("UNAUTHORIZED", 401),
        ("UNSUPPORTED_MEDIA_TYPE", 415),
    ],
)
def test_each_has_the_status_that_http_has_for_it(kind: str, status: int) -> None:
    assert responses("api_key", ())[kind]["statusCode"] == str(status)


def test_the_documentation_names_every_type_of_problem_there_is() -> None:
    text = Path("docs/access.md").read_text()
    kinds = PROBLEMS.keys() - WITHOUT_STATUS - {"BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS"}  # not checked
    assert {PROBLEMS[kind].slug for kind in kinds} == {
        slug for row in text.split("| when | status | type |")[1].splitlines() if row.startswith("| ")
        for slug in re.findall(r"`([a-z-]+)`", row.split(" | ")[-1])
    }  # fmt: skip


def test_with_iam_an_unsigned_request_is_denied_and_not_told_that_nothing_is_there() -> None:
    assert responses("iam", ())["MISSING_AUTHENTICATION_TOKEN"]["statusCode"] == "403"


def test_429_says_when_and_401_says_how() -> None:
    found = responses("cognito", ())
    for kind, response in found.items():
        sent = headers(response)
        assert ("Retry-After" in sent) == (response.get("statusCode") == "429"), kind
        assert ("WWW-Authenticate" in sent) == (response.get("statusCode") == "401"), kind
    assert headers(found["THROTTLED"])["Retry-After"] == "1"
    assert headers(found["UNAUTHORIZED"])["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        ((), None),
        (("https://app.example",), "https://app.example"),
        (("https://a.example", "https://b.example"), "*"),
        (("*",), "*"),
    ],
)
def test_a_page_of_an_allowed_origin_can_read_them(origins: tuple[str, ...], allowed: str | None) -> None:
    for response in responses("api_key", origins).values():
        sent = headers(response)
        assert sent.get("Access-Control-Allow-Origin") == allowed
        assert "Access-Control-Allow-Credentials" not in sent
        assert ("Access-Control-Expose-Headers" in sent) == bool(origins)
