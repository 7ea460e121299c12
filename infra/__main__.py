"""The command line: `.venv/bin/python -m infra --help`. Each command is a function of commands.py."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from infra import commands
from infra.errors import CommandError

_DATABASE = (
    "DATABASE_URL names the database (postgresql://user:password@host:5432/database). "
    "Without it, an embedded PostgreSQL is used, which keeps its data outside of the clone."
)


def main(arguments: list[str]) -> int:
    """Run one command. Return the exit status: 0, 1 with a message on stderr, 2 for a wrong usage."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")  # seconds; without it libpq waits for minutes
    try:
        options.command(options)
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as shells do
    except BrokenPipeError:  # the reader of the output (head, less) has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise Python complains at its end
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=".venv/bin/python -m infra", description="Runs and ships the product.")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_local_commands(subparsers)
    _add_deploy_commands(subparsers)
    _add_stage_commands(subparsers)
    return parser


def _add_local_commands(subparsers: Any) -> None:
    running = subparsers.add_parser(
        "run", help="serve the API on this machine", description=f"Serve the API on this machine. {_DATABASE}"
    )
    running.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    running.add_argument("--port", default=8000, type=_port, help="port to listen on (default: %(default)s)")
    running.set_defaults(command=commands.run)

    migrating = subparsers.add_parser(
        "migrate",
        help="bring the database's tables up to date",
        description="Bring the database's tables up to date and say what was done. With --stage this is the stage's, "
        f"through its function in AWS. Without --stage it is a database that this machine reaches. {_DATABASE}",
    )
    _add_stage(migrating, default=None)
    migrating.set_defaults(command=commands.migrate)

    making = subparsers.add_parser(
        "migration",
        help="make the next migration's file",
        description="Make the next numbered file in query_executor/migrations, for SQL of yours. It prints the path.",
    )
    making.add_argument("name", metavar="NAME", help="small letters, digits and hyphens: add-products")
    making.add_argument("--template", default="", help="begin with the SQL of a template: row-security")
    making.add_argument("--table", default="", help="the table of the template: demo.orders")
    making.add_argument("--project", type=Path, default=None, help=argparse.SUPPRESS)
    making.set_defaults(command=commands.migration)

    opening = subparsers.add_parser(
        "psql", help="open the database of run in psql", description=f"Open the database of run in psql. {_DATABASE}"
    )
    opening.add_argument(
        "arguments", nargs="*", metavar="ARGUMENT", help="an argument of psql, after --: psql -- -c 'SELECT 1'"
    )
    opening.set_defaults(command=commands.psql)

    resetting = subparsers.add_parser(
        "reset",
        help="empty the embedded database",
        description="Delete every table and row of the embedded database. It asks first. "
        "It refuses while a program uses that database, and it leaves a database of yours (DATABASE_URL) alone.",
    )
    resetting.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    resetting.set_defaults(command=commands.reset)

    signing_in = subparsers.add_parser(
        "token",
        help="print a token for run with ACCESS=cognito",
        description="Print an ID token for run with ACCESS=cognito. It is valid for an hour, and on this machine only.",
    )
    signing_in.add_argument("--sub", default="", help="the user that calls (the claim sub)")
    signing_in.add_argument(
        "--groups", type=_listed, default=[], metavar="GROUP,...", help="the user's groups (the claim cognito:groups)"
    )
    signing_in.add_argument(
        "--claims", default="", metavar="JSON", help="an object of more claims, or of other values: '{\"exp\": 1}'"
    )
    signing_in.set_defaults(command=commands.token)

    adopting = subparsers.add_parser(
        "adopt",
        help="write declarations of a database's tables",
        description="Read a database's catalogue and write a declaration for each table into crud_api/tables. For a "
        "table that is declared already, show what the database changed. What you edited by hand stays. With --stage "
        "the database is the stage's, read through its executor. Without --stage it is a database that this machine "
        f"reaches. {_DATABASE}",
    )
    adopting.add_argument(
        "--schema", type=_listed, default=["public"], metavar="SCHEMA,...", help="the schemas (default: public)"
    )
    adopting.add_argument(
        "--table", type=_listed, default=[], metavar="TABLE,...", help="only these tables: orders, or app.orders"
    )
    adopting.add_argument(
        "--functions", action="store_true", help="adopt the functions of the schemas into crud_api/functions, no tables"
    )
    adopting.add_argument("--write", action="store_true", help="also write the changes of declarations that exist")
    adopting.add_argument(
        "--paths", action="store_true", help="give every new table paths of its own, also more than 20 tables"
    )
    _add_stage(adopting, default=None)
    adopting.set_defaults(command=commands.adopt)


def _add_deploy_commands(subparsers: Any) -> None:
    deploying = _add(
        subparsers,
        "deploy",
        commands.deploy,
        "Deploy this clone to a stage in AWS. It is safe to run again, and then continues.",
    )
    planning = _add(subparsers, "plan", commands.plan, "Show what deploy would change. It changes nothing.")
    smoking = _add(
        subparsers,
        "smoke",
        commands.smoke,
        "Send a few requests to a stage and compare the answers. It leaves no row behind.",
    )
    for parser in (deploying, planning):
        parser.add_argument(
            "--allow-public", action="store_true", help="deploy a stage that anybody can call (ACCESS none)"
        )
        parser.add_argument(
            "--image-tag", metavar="TAG", help="go back to this image of the executor; ECR must have it"
        )
        parser.add_argument("--force", action="store_true", help="deploy the API even if nothing in this clone changed")
    deploying.add_argument("--keep", action="store_true", help="keep a release even if its smoke test fails")
    for parser in (deploying, smoking):
        parser.add_argument("--url", help="the API's address, if it has a domain name of its own")
        parser.add_argument("--token", help="a user's token for the smoke test, if ACCESS is cognito")


def _add_stage_commands(subparsers: Any) -> None:
    keying = _add(
        subparsers, "key", commands.key, "Print the API key of a stage. Make a new key, or delete the older keys."
    )
    change = keying.add_mutually_exclusive_group()
    change.add_argument("--rotate", action="store_true", help="make a new key and print it; the older keys stay valid")
    change.add_argument("--retire", action="store_true", help="delete all keys of the stage except the newest")
    inviting = _add(
        subparsers, "user", commands.user, "Invite a user to a stage whose ACCESS is cognito, or change the groups."
    )
    inviting.add_argument("--email", required=True, help="the address, which is also the name to sign in with")
    inviting.add_argument(
        "--groups", type=_listed, metavar="GROUP,...", help="the groups of the user; without it they stay as they are"
    )
    inviting.add_argument("--resend", action="store_true", help="send the invitation again, with a new password")
    _add(subparsers, "status", commands.status, "Show what exists of a stage, and whether an alarm rings.")
    logging = _add(
        subparsers,
        "logs",
        commands.logs,
        "Print a log of a stage: of its API, executor, migrations or requests (access).",
    )
    logging.add_argument(
        "--function",
        choices=("api", "executor", "migrations", "access"),
        default="api",
        help="which log (default: %(default)s)",
    )
    logging.add_argument(
        "--since", type=_since, default="10m", metavar="10m", help="how far back (default: %(default)s)"
    )
    logging.add_argument("--follow", action="store_true", help="print new lines too, until Ctrl-C")
    destroying = _add(
        subparsers, "destroy", commands.destroy, "Delete a stage from AWS, except its database and users."
    )
    destroying.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    destroying.add_argument("--delete-users", action="store_true", help="delete the user pool too, with all its users")
    destroying.add_argument("--delete-database", action="store_true", help="delete the database too; a snapshot stays")


def _add(subparsers: Any, name: str, command: commands.Command, text: str) -> argparse.ArgumentParser:
    """Add a command that works on a stage in AWS."""
    summary = text[0].lower() + text[1:].partition(".")[0]
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=summary, description=text)
    _add_stage(parser, default="dev")
    parser.set_defaults(command=partial(commands.in_aws, command))
    return parser


def _add_stage(parser: argparse.ArgumentParser, default: str | None) -> None:
    shown = "default: %(default)s" if default else "default: none, the database here"
    parser.add_argument("--stage", default=default, help=f"a stage of .chalice/config.json ({shown})")
    parser.add_argument("--profile", help="a profile of ~/.aws (default: AWS_PROFILE, or none)")
    parser.add_argument("--region", help="the AWS region (default: AWS_DEFAULT_REGION, or the profile's)")
    # The commands work on this clone. The tests name a copy of it.
    parser.add_argument("--project", type=Path, default=None, help=argparse.SUPPRESS)


def _listed(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("it names nothing")
    return names


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is not between 1 and 65535")
    return number


def _since(text: str) -> int:
    from infra.aws.logs import seconds  # noqa: PLC0415 - only one command needs it

    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
