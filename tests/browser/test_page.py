"""/docs in a real browser: it shows every operation, obeys its content policy, and asks only its own origin.

The browser is Chromium, which has several names on PATH. It runs without a driver: it prints the page after the scripts
have run, logs its console, and records every request.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from chalice.config import Config
from chalice.local import LocalDevServer

from crud_api.access import protect, read_access
from crud_api.application import create_app
from crud_api.openapi import document
from crud_api.tables import RESOURCES
from crud_api.views.docs import POLICY
from infra.local.server import create_server
from query_executor.contract import Reply
from tests.servers import free_port

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on PATH (Debian: apt-get install chromium)"),
]

# Options against the requests that the browser itself makes. They do not come from the page.
_QUIET = [
    "--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
    "--disable-default-apps", "--disable-extensions", "--disable-sync", "--metrics-recording-only",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
]  # fmt: skip

_REFUSED = re.compile("Content Security Policy|Refused|Uncaught|Failed to load")


class Visit:
    """What a browser saw at a URL."""

    def __init__(self, url: str, folder: Path) -> None:
        sandbox = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium has no sandbox for root
        done = subprocess.run(
            [
                str(BROWSER), "--headless=new", *sandbox, *_QUIET, "--disable-gpu", "--disable-dev-shm-usage",
                f"--user-data-dir={folder / 'profile'}", f"--log-net-log={folder / 'requests.json'}",
                "--enable-logging=stderr", "--log-level=0", "--window-size=1300,2200", "--virtual-time-budget=20000",
                f"--screenshot={folder / 'page.png'}", "--dump-dom", url,
            ],
            capture_output=True, text=True, timeout=100, check=True,
        )  # fmt: skip
        self.dom = done.stdout
        # The console also has remarks of Swagger UI, for example about features that a later version will remove.
        self.refused = [line for line in done.stderr.splitlines() if "CONSOLE" in line and _REFUSED.search(line)]
        log = (folder / "requests.json").read_text()
        # The requests of a page name the origin of the frame. The browser's own requests have no origin.
        self.requests = _requests_of_pages(json.loads(log))


def _requests_of_pages(log: dict[str, Any]) -> set[str]:
    kinds = {number: name for name, number in log["constants"]["logEventTypes"].items()}
    return {
        one["params"]["url"]
        for one in log["events"]
        if kinds[one["type"]] == "URL_REQUEST_START_JOB"
        and "url" in one.get("params", {})
        and one["params"].get("initiator", "not an origin") != "not an origin"
    }


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    port = free_port()
    app = create_app(lambda _: Reply([]), cors_origins=())
    server = LocalDevServer(app, Config.create(chalice_stage="local"), "127.0.0.1", port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.shutdown()
    server.server.server_close()


def test_every_operation_is_shown_and_nothing_else_is_asked_for(origin: str, tmp_path: Path) -> None:
    visit = Visit(f"{origin}/docs", tmp_path)
    shown = set(re.findall(r'data-path="([^"]+)"', visit.dom))
    assert shown == set(document(RESOURCES, "none")["paths"])
    assert visit.dom.count('class="opblock-summary-method"') == len(
        [one for item in document(RESOURCES, "none")["paths"].values() for one in item if one != "parameters"]
    )
    assert visit.refused == []
    assert {urlsplit(url).path.partition("-")[0] for url in visit.requests} == {
        "/openapi.json", "/docs/swagger", "/docs/start",
    }  # fmt: skip
    assert {f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in visit.requests} == {origin}


@pytest.mark.parametrize("operation", ["customers/create_customer", "orders/list_orders", "service/get_health"])
def test_an_operation_can_be_opened_without_breaking_the_policy(origin: str, tmp_path: Path, operation: str) -> None:
    visit = Visit(f"{origin}/docs#/{operation}", tmp_path)
    assert 'class="opblock-body"' in visit.dom
    assert "Could not render" not in visit.dom
    assert visit.refused == []


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_a_list_can_be_tried_within_one_screen(origin: str, tmp_path: Path, path: str) -> None:
    visit = Visit(f"{origin}{path}#/customers/list_customers", tmp_path)
    # A row is 70 to 140 pixels high. All 67 rows were 5,000 pixels high.
    assert re.findall(r'data-param-name="([^"]+)"', visit.dom) == ["limit", "sort", "expand"]
    assert re.search("Show [0-9]{2} more: filters, cursor, headers", visit.dom)
    assert "btn execute" in visit.dom
    assert visit.refused == []


def test_make_run_shows_the_page_without_a_token_and_the_page_asks_for_one(tmp_path: Path) -> None:
    access, pool = read_access({"ACCESS": "cognito"}, deployed=False)
    app = protect(create_app(lambda _: Reply([]), access=access, cors_origins=()), access, pool)
    port = free_port()
    server = create_server(app, Config.create(chalice_stage="local"), "127.0.0.1", port)
    threading.Thread(target=server.server.serve_forever, daemon=True).start()
    visit = Visit(f"http://127.0.0.1:{port}/docs#/customers/get_customer", tmp_path)
    server.shutdown()
    server.server.server_close()
    assert "btn authorize unlocked" in visit.dom
    assert 'class="opblock-body"' in visit.dom
    assert visit.refused == []


def test_what_the_policy_refuses_would_be_seen(origin: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    page.write_text(f'{policy}<script>1</script><script src="{origin}/docs"></script>')
    visit = Visit(page.as_uri(), tmp_path)
    assert len([line for line in visit.refused if "has been blocked" in line]) == 2
