"""For every 5xx, the terminal of `make run` shows the message of the database. The log in AWS must not show it."""

from __future__ import annotations

import json
import logging
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest
from chalice.test import Client

from crud_api.application import create_app
from crud_api.tables import RESOURCES
from query_executor import contract
from query_executor.contract import Failure
from tests.conftest import execute
from tests.executor import eventually
from tests.served import served


def test_the_terminal_shows_instance_message_table_and_column_of_a_5xx(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with served(database_url, log) as url:
        urllib.request.urlopen(f"{url}/customers").close()  # noqa: S310 - this machine; the tables are compared now
        execute(database_url, "ALTER TABLE demo.customers RENAME city TO town")
        with pytest.raises(HTTPError) as caught:
            urllib.request.urlopen(f"{url}/customers/C1")  # noqa: S310 - this machine
        problem = json.load(caught.value)
        assert (problem["status"], problem["detail"]) == (500, "The cause is in the log, under this instance.")
        eventually(lambda: problem["instance"] in log.read_text())
        (line,) = (line for line in log.read_text().splitlines() if problem["instance"] in line)
        assert line.startswith("internal-error: statement_failed 42703")
        assert 'column "city" does not exist' in line


@pytest.mark.parametrize("tells_all", [False, True])
def test_the_log_has_table_and_constraint_and_the_message_on_a_laptop_only(
    tells_all: bool, caplog: pytest.LogCaptureFixture
) -> None:
    failure = Failure(
        contract.STATEMENT_FAILED, "secret", sqlstate="XX000", table="customers", column="city", constraint="city_check"
    )
    app = create_app(lambda _: failure, RESOURCES, tells_all=tells_all)
    with caplog.at_level(logging.ERROR):
        answer = Client(app).http.get("/customers/C1")
    instance = json.loads(answer.body)["instance"]
    cause = "internal-error: statement_failed XX000 table customers column city constraint city_check"
    assert [one.message for one in caplog.records] == [f"{cause} ({instance}): secret" if tells_all else cause]
    assert "secret" not in answer.body.decode()
    assert caplog.records[0].__dict__["api_request_id"] == instance.removeprefix("urn:uuid:")
