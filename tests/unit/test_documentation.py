"""The page of /docs: its files are the files that npm published. It needs nothing else and may do nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urljoin

import pytest
from chalice.test import Client

from crud_api.application import create_app
from crud_api.openapi import document, swagger_ui
from crud_api.tables import RESOURCES
from infra.dev.swagger_ui import FOLDER, SERVED, SOURCE
from query_executor.contract import MAX_REPLY_BYTES, Reply, Request
from tests.gateway_events import event


def refuse(request: Request) -> Reply:
    raise AssertionError(request.statements)


APP = create_app(refuse, access="iam")


def answer(path: str, resource: str | None = None, **parameters: str) -> dict[str, Any]:
    reply: dict[str, Any] = APP(event("GET", path, resource=resource, path_parameters=parameters), None)
    return reply


def header(reply: Mapping[str, Any], name: str) -> str:
    return str(reply["headers"][name])


def urls_of(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="([^"]*)"', page)


def test_the_description_is_that_of_the_resources_and_the_access() -> None:
    reply = answer("/openapi.json")
    assert (reply["statusCode"], header(reply, "Content-Type")) == (200, "application/json")
    assert header(reply, "Cache-Control") == "private, no-cache"
    assert json.loads(reply["body"]) == document(RESOURCES, "iam")


def test_the_page_names_its_files_relative_to_wherever_it_is() -> None:
    urls = urls_of(answer("/docs")["body"])
    assert len(urls) == 5
    assert all(url in {"data:,", "docs/../openapi.json"} or re.fullmatch(r"docs/[a-z][a-z0-9.-]*", url) for url in urls)


def test_the_page_finds_its_files_with_a_slash_after_its_path_too() -> None:
    plain, slashed = (urls_of(answer(path, resource="/docs")["body"]) for path in ("/docs", "/docs/"))
    assert [urljoin("https://host/api/docs/", url) for url in slashed] == [
        urljoin("https://host/api/docs", url) for url in plain
    ]


def test_the_root_leads_to_the_page() -> None:
    reply = answer("/")
    assert (reply["statusCode"], reply["body"], header(reply, "Location")) == (302, "", "/api/docs")


def test_a_client_that_has_the_description_is_not_sent_it_again() -> None:
    etag = header(answer("/openapi.json"), "ETag")
    reply = APP(event("GET", "/openapi.json", headers={"If-None-Match": [etag]}), None)
    assert (reply["statusCode"], reply["body"], reply["headers"]["ETag"]) == (304, "", etag)


def test_the_pages_files_never_change_under_their_names() -> None:
    names = [url.removeprefix("docs/") for url in urls_of(answer("/docs")["body"]) if re.match("docs/[a-z]", url)]
    assert len(names) == 3
    for name in names:
        reply = answer(f"/docs/{name}", resource="/docs/{asset}", asset=name)
        assert reply["statusCode"] == 200
        assert header(reply, "Cache-Control") == "public, max-age=31536000, immutable"
        assert header(reply, "X-Content-Type-Options") == "nosniff"
        assert header(reply, "Content-Type") == f"text/{'css' if name.endswith('css') else 'javascript'}; charset=utf-8"
        assert swagger_ui.VERSION in name or sha256(reply["body"].encode()).hexdigest()[:12] in name
        assert len(json.dumps(reply).encode()) < MAX_REPLY_BYTES // 2


@pytest.mark.parametrize(
    "name", ["", "x", "../source.json", "source.json", "swagger-ui-bundle.js.gz", "swagger-ui.css"]
)
def test_another_file_is_not_there(name: str) -> None:
    reply = answer(f"/docs/{name}", resource="/docs/{asset}", asset=name)
    assert reply["statusCode"] == 404
    assert header(reply, "Content-Type") == "application/problem+json"


def test_the_policy_lets_the_page_run_only_its_own_scripts() -> None:
    reply = answer("/docs")
    policy = dict(one.split(" ", 1) for one in header(reply, "Content-Security-Policy").split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert header(reply, "Content-Type") == "text/html; charset=utf-8"
    assert "<script>" not in reply["body"]
    assert "style=" not in reply["body"]


def test_the_files_are_those_that_npm_published() -> None:
    source = json.loads(SOURCE.read_text())
    for name in SERVED:
        text, _ = swagger_ui.asset(name.replace(".", f"-{source['version']}.", 1)) or ("", "")
        assert sha256(text.encode()).hexdigest() == source["sha256"][name]
    assert source["integrity"].startswith("sha512-")
    assert "Apache License" in (FOLDER / "LICENSE").read_text()
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 600_000


def test_chalices_local_server_serves_the_page_too() -> None:
    with Client(APP) as client:
        page = client.http.get("/docs")
        assert page.status_code == 200
        assert all(
            client.http.get(f"/{url}").status_code == 200
            for url in urls_of(page.body.decode())
            if re.match("docs/[a-z]", url)
        )
