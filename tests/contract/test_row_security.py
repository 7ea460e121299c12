"""docs/row-security.md: a reader who follows it gets customers who see their own orders, and staff who sees all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg2
import pytest

from crud_api.access import read_roles
from crud_api.request.caller import identify
from infra.hints import make
from infra.local.new_migration import text
from tests.conftest import execute
from tests.contract.followed import ADDRESS, Page
from tests.integration.test_run import make_run, output_to_the_end, running
from tests.servers import free_port

PAGE = Page("docs/row-security.md")
MIGRATION = "query_executor/migrations/1001-rows-of-customers.sql"
# Under `make test` make would print the folder. The packages are installed, because this test uses them.
QUIET = "make --no-print-directory --old-file=.venv/.installed-local --old-file=.venv/bin/python"
INSTANCE = re.compile(r"urn:uuid:[0-9a-f-]{36}")


class Shell:
    """A reader's second terminal: bash in the clone, in which variables stay."""

    def __init__(self, clone: Path, port: int) -> None:
        self._port = port
        self._bash = subprocess.Popen(
            ["bash"], cwd=clone, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"},
        )  # fmt: skip

    def __call__(self, command: str) -> str:
        """Run a command of the page, and return what it prints."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        sent = command.replace(ADDRESS, f"http://127.0.0.1:{self._port}").replace("$(make", f"$({QUIET}")
        self._bash.stdin.write(f"{sent.replace('curl ', 'curl -sS ')}\necho; echo '--end--'\n")
        self._bash.stdin.flush()
        return "".join(iter(self._bash.stdout.readline, "--end--\n")).strip()

    def status(self, request: str) -> int:
        return int(self(f"curl -o /dev/null -w '%{{http_code}}' {request}"))

    def close(self) -> None:
        self._bash.communicate()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return PAGE.follow(tmp_path_factory.mktemp("row-security"))


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    with TemporaryDirectory(prefix="crud-api-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def shell(clone: Path, state: Path, port: int) -> Iterator[Shell]:
    """The reader's second terminal, beside the `make run` of the page."""
    ((command, _),) = PAGE.console("make run")
    one = Shell(clone, port)
    with running(make_run(port, *command.split()[2:]), state, clone) as process:
        yield one
        one.close()
        os.kill(process.pid, signal.SIGTERM)
        output_to_the_end(process)


@pytest.fixture(scope="module")
def printed(shell: Shell) -> dict[str, tuple[str, str]]:
    """For each command of step 4 what the page shows, and what it printed."""
    (block,) = [one for one in PAGE.blocks("console") if "ADA=" in one]
    shown = [(command, said) for command, said in PAGE.console("") if command in block]
    assert len(shown) == block.count("$ ") > 10
    return {command: (said, shell(command)) for command, said in shown}


def parsed(answer: str) -> Any:
    return json.loads(INSTANCE.sub("<instance>", answer)) if answer else None


@pytest.mark.timeout(600)
def test_both_callers_and_the_staff_get_the_answers_of_the_page(printed: dict[str, tuple[str, str]]) -> None:
    for command, (said, answer) in printed.items():
        assert parsed(answer) == parsed(said), command
    (of_staff,) = [answer for command, (_, answer) in printed.items() if "$EVE" in command and "curl" in command]
    assert {order["customer_id"] for order in json.loads(of_staff)["items"]} == {"C1", "C2"}


# What Bob does, in the order of the table of the page.
REFUSED = [
    ['{0}/orders/O1 -H "$BOB"', '{0}/orders/O1?expand=customer -H "$BOB"'],
    [
        '-X DELETE {0}/orders/O1 -H "$BOB"',
        """-X PATCH {0}/orders/O1 -H "$BOB" -H "$JSON" -d '{{"status": "shipped"}}'""",
        """-X PUT {0}/orders/O1 -H "$BOB" -H "$JSON" -d '{{"status": "shipped"}}'""",
    ],
    ['{0}/customers/C1/orders -H "$BOB"'],
    [
        """{0}/orders -H "$BOB" -H "$JSON" -d '{{"customer_id": "C1", "total_amount": 1}}'""",
        """{0}/orders -H "$BOB" -H "$JSON" -d '[{{"customer_id": "C1", "total_amount": 1}}]'""",
        """-X PATCH {0}/orders/O2 -H "$BOB" -H "$JSON" -d '{{"customer_id": "C1"}}'""",
    ],
    [
        """{0}/orders -H "$BOB" -H "$JSON" -d '{{"order_id": "O1", "customer_id": "C2", "total_amount": 1}}'""",
        """{0}/customers -H "$BOB" -H "$JSON" -d '{{"customer_name": "Bob"}}'""",
    ],
    [
        """{0}/orders -H "$BOB" -H "$JSON" -H 'Prefer: resolution=merge-duplicates' """
        """-d '{{"order_id": "O1", "customer_id": "C2", "total_amount": 1}}'"""
    ],
    [
        """{0}/customers -H "$FAY" -H "$JSON" -d '{{"customer_name": "Fay", "orders": [{{"total_amount": 1}}]}}'""",
    ],
    ["""{0}/customers -H "$BOB" -H "$JSON" -d '{{"customer_name": "Bob", "user_id": "ada"}}'"""],
]


@pytest.mark.timeout(600)
def test_every_refusal_has_the_status_of_the_page_and_changes_nothing(
    shell: Shell, printed: dict[str, tuple[str, str]]
) -> None:
    assert printed
    table = PAGE.text.partition("| what Bob does ")[2].partition("\n\n")[0]
    said = [int(one) for one in re.findall(r"\| (\d{3})[^|]*\|$", table, re.MULTILINE)]
    shell('FAY="Authorization: Bearer $(make -s token SUB=fay)"')  # has no customer yet
    every = shell("curl " + ADDRESS + '/orders -H "$EVE"')
    found = [{shell.status(one.format(ADDRESS)) for one in requests} for requests in REFUSED]
    assert found == [{one} for one in said[:-1]]
    assert shell("curl " + ADDRESS + '/orders -H "$EVE"') == every


@pytest.mark.timeout(600)
def test_customers_that_staff_creates_with_orders_have_no_user(
    shell: Shell, printed: dict[str, tuple[str, str]]
) -> None:
    assert printed
    both = (
        '[{"customer_id": "C8", "customer_name": "Carl", "orders": [{"total_amount": 1}]}, {"customer_name": "Dora"}]'
    )
    assert shell.status(f"""{ADDRESS}/customers -H "$EVE" -H "$JSON" -d '{both}'""") == 201
    for name, status in (("ADA", 404), ("BOB", 404), ("EVE", 200)):
        assert shell.status(f'{ADDRESS}/customers/C8 -H "${name}"') == status


@pytest.mark.timeout(600)
def test_a_caller_without_a_right_or_role_gets_the_last_status_of_the_page(
    shell: Shell, printed: dict[str, tuple[str, str]], clone: Path, state: Path
) -> None:
    assert printed
    with running(make_run(other := free_port(), "ACCESS=cognito", "DB_ROLES=staff"), state, clone):
        refused = shell(f'curl http://127.0.0.1:{other}/orders -H "$BOB"')
        assert shell.status(f'http://127.0.0.1:{other}/orders -H "$EVE"') == 200
    assert (json.loads(refused)["status"], json.loads(refused)["type"].rpartition(":")[2]) == (403, "not-permitted")
    assert PAGE.text.count("| 403 `not-permitted` |") == 1


@pytest.mark.timeout(600)
def test_a_service_account_with_a_key_sees_all_and_other_keys_see_nothing(
    shell: Shell, printed: dict[str, tuple[str, str]], clone: Path, state: Path
) -> None:
    assert printed
    (roles,) = re.findall(r'^`"DB_ROLES": "<id of the key>=(\w+)"`', PAGE.text, re.MULTILINE)
    assert "like `staff`" in PAGE.text.partition(f"Make `{roles}` ")[2][:20]
    words = ["ACCESS=api_key", "DB_ROLES=k1=staff", "DB_DEFAULT_ROLE=crud_api"]
    with running(make_run(other := free_port(), *words), state, clone):
        url = f"'http://127.0.0.1:{other}/orders?order_id\\[in\\]=O1,O2'"
        of_account, of_others = (
            json.loads(shell(f"curl {url} -H 'x-api-key: {key}'"))["items"] for key in ("k1", "k2")
        )
    assert [order["order_id"] for order in of_account] == ["O1", "O2"]
    assert of_others == []


@pytest.mark.timeout(600)
def test_a_plain_grant_of_the_role_is_refused_as_the_page_says(clone: Path) -> None:
    sql = (clone / MIGRATION).read_text()
    (clone / MIGRATION).write_text(sql.replace(" WITH INHERIT FALSE", ""))
    try:
        with TemporaryDirectory(prefix="crud-api-") as folder:
            Path(folder).chmod(0o755)
            done = subprocess.run(
                make_run(free_port(), "ACCESS=cognito", "DB_ROLES=staff", "DB_DEFAULT_ROLE=crud_api"), cwd=clone,
                env={**os.environ, "DATABASE_URL": "", "XDG_STATE_HOME": folder}, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
    finally:
        (clone / MIGRATION).write_text(sql)
    assert done.returncode != 0
    assert "GRANT staff TO crud_api WITH INHERIT FALSE;" in done.stderr


def test_the_template_writes_the_first_part_of_the_page() -> None:
    ((command, _),) = PAGE.console("make migration")
    told = dict(word.split("=") for word in command.split()[2:])
    assert command == make("migration", **told)
    written = text(told["TEMPLATE"], told["TABLE"])
    assert PAGE.created[MIGRATION].startswith(written.replace("CREATE INDEX", "CREATE UNIQUE INDEX") + "\n")


def test_the_variables_of_the_stage_give_the_roles_that_make_run_gives() -> None:
    (block,) = PAGE.blocks("json")
    ((command, _),) = PAGE.console("make run")
    variables = json.loads(block)
    assert variables == dict(word.split("=") for word in command.split()[2:])
    roles = read_roles(variables, variables["ACCESS"])
    assert roles.role_of({"cognito:groups": ["staff"]}) == "staff"
    assert roles.role_of({}) == "crud_api"


@pytest.mark.parametrize("access", ["cognito", "api_key", "iam", "none"])
def test_the_claims_of_each_access_are_those_of_the_page(access: str) -> None:
    (row,) = re.findall(rf"^\| `{access}` \| (.*) \|(.*)\|$", PAGE.text, re.MULTILINE)
    arn = "arn:aws:sts::123456789012:assumed-role/backend/session"
    event = {
        "authorizer": {"claims": {"sub": "ada", "cognito:groups": "a,b", "exp": "1"}},
        "identity": {"apiKeyId": "k1", "apiKey": "secret", "userArn": arn},
    }
    claims = identify(access)(event).claims
    assert (
        claims
        == {
            "cognito": {"sub": "ada", "cognito:groups": ["a", "b"], "exp": "1"},
            "api_key": {"sub": "k1"},
            "iam": {"sub": arn, "principal": arn.removesuffix("/session")},
            "none": {},
        }[access]
    )
    named = set(re.findall(r"`([\w:]+)`", " ".join(row)))
    assert named <= set(claims)
    default = read_roles({"DB_ROLES": "x=y"}, access).claim
    assert row[1].strip("` ") == default


def test_a_policy_that_looks_at_its_own_column_only_is_completed_by_the_condition_of_the_page(
    migrated_url: str,
) -> None:
    (more,) = re.findall(r"`(AND EXISTS [^`]+)`", PAGE.text)
    execute(migrated_url, "DROP ROLE IF EXISTS page_caller; CREATE ROLE page_caller IN ROLE crud_api")
    for table in ("demo.customers", "demo.orders"):
        execute(migrated_url, text("row-security", table))
    customer = "INSERT INTO demo.customers (customer_id, customer_name) VALUES ('C1', 'Ada')"
    order = "INSERT INTO demo.orders (order_id, customer_id, total_amount) VALUES ('{}', 'C1', 1) RETURNING 1"

    def as_caller(sub: str, sql: str) -> list[tuple[Any, ...]]:
        settings = f"""SET ROLE page_caller; SET request.jwt.claims = '{{"sub": "{sub}"}}';"""
        return execute(migrated_url, settings + sql)

    as_caller("ada", customer)
    assert as_caller("bob", order.format("O1")) == [(1,)]
    execute(migrated_url, f"ALTER POLICY own ON demo.orders WITH CHECK (user_id = (SELECT demo.caller()) {more})")
    assert as_caller("ada", order.format("O2")) == [(1,)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="row-level security"):
        as_caller("bob", order.format("O3"))
    execute(migrated_url, "DROP OWNED BY page_caller; DROP ROLE page_caller")
