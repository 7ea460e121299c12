"""Runs one statement from the shell: `.venv/bin/python -m query_executor --help`."""

from __future__ import annotations

import argparse
import json
import os
import sys

from query_executor import contract
from query_executor.contract import Failure, InvalidRequestError, Reply
from query_executor.database import Database
from query_executor.errors import SettingsError
from query_executor.settings import Settings

_EPILOG = """\
The database is the one that DATABASE_URL names (postgresql://user:password@host:5432/database), or DB_HOST, DB_PORT,
DB_NAME, DB_USER and DB_PASSWORD, DB_SECRET_ARN or DB_IAM_AUTH=true: the executor's own settings.

Write a param as :name in the SQL. --param takes its value as PostgreSQL's text, and its place in the SQL decides its
type. --json-param takes its value as a request has it: 3, null, [1, 2], {"type": "numeric", "value": "1.50"}.

The reply is one line of JSON on stdout. A failure is one line on stderr, with exit status 1. Wrong usage has status 2.

example: .venv/bin/python -m query_executor 'SELECT * FROM demo.orders WHERE status = :status' --param status=shipped
"""


def main(arguments: list[str]) -> int:
    """Run one statement; returns the exit status."""
    event = _event(arguments)
    database = Database(lambda: Settings.from_environment(os.environ))
    answer: Reply | Failure
    try:
        answer = database.run(contract.parse_request(event))
    except InvalidRequestError as error:
        answer = Failure(contract.INVALID_REQUEST, str(error))
    except SettingsError as error:
        answer = Failure(contract.UNAVAILABLE, str(error))
    finally:
        database.close()
    failed = isinstance(answer, Failure)
    output = json.dumps(contract.encode_answer(answer), ensure_ascii=False) + "\n"
    stream = sys.stderr if failed else sys.stdout
    stream.buffer.write(output.encode())  # JSON is UTF-8, whatever the locale is
    return int(failed)


def _event(arguments: list[str]) -> dict[str, object]:
    parser = argparse.ArgumentParser(
        prog=".venv/bin/python -m query_executor",
        description="Run one SQL statement as the query executor does, in one transaction.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("sql", metavar="SQL", help="the statement, with :name for each param")
    params = parser.add_argument_group("params")
    for option, kind, metavar, text in (
        ("--param", _text_param, "NAME=TEXT", "a param, as PostgreSQL's text of its value"),
        ("--json-param", _json_param, "NAME=JSON", "a param, as JSON"),
    ):
        params.add_argument(
            option, dest="params", action="append", default=[], type=kind, metavar=metavar, help=f"{text}; repeatable"
        )
    parser.add_argument("--read-only", action="store_true", help="run it in a READ ONLY transaction")
    parser.add_argument("--max-rows", type=_count, metavar="N", help="answer at most N rows, and say if there are more")
    parser.add_argument("--deadline-ms", type=_count, metavar="N", help="cancel it after N milliseconds")
    options = parser.parse_args(arguments)

    names = [name for name, _ in options.params]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        parser.error(f"the param {twice[0]} is given twice")
    return {
        "sql": options.sql,
        "params": dict(options.params),
        "read_only": options.read_only,
        "max_rows": options.max_rows,
        "deadline_ms": options.deadline_ms,
    }


def _text_param(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=TEXT")
    return name, value


def _json_param(text: str) -> tuple[str, object]:
    name, value = _text_param(text)
    try:
        return name, json.loads(str(value))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value} is not JSON (a string needs its quotes)") from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number, at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
