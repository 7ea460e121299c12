"""The commands: `python -m infra --help`."""

from __future__ import annotations

import argparse
import os
import sys

from infra.commands import add_stage_commands
from infra.errors import CommandError
from infra.local import DatabaseError, describe, open_database
from infra.run import PortError, run


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status: 0, 1 with a message on stderr, 2 for a wrong usage."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")  # seconds; without it libpq waits for minutes
    try:
        options.command(options)
    except (CommandError, DatabaseError, PortError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell has it
    except BrokenPipeError:  # whoever read along (head, less) has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains of it at its end
    return 0


def _parser() -> argparse.ArgumentParser:
    database = (
        "DATABASE_URL names the database (postgresql://user:password@host:5432/database). "
        "Without it, an embedded PostgreSQL is used, which keeps its data outside of the clone."
    )
    parser = argparse.ArgumentParser(prog=".venv/bin/python -m infra", description="Runs and ships the product.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    running = commands.add_parser(
        "run", help="serve the API on this machine", description=f"Serve the API on this machine. {database}"
    )
    running.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    running.add_argument("--port", default=8000, type=_port, help="port to listen on (default: %(default)s)")
    running.set_defaults(command=lambda options: run(options.host, options.port))

    migrating = commands.add_parser(
        "migrate",
        help="bring the database's tables up to date",
        description="Bring the database's tables up to date and say what was done. With --stage this is the stage's, "
        f"through its function in AWS. Without --stage it is a database that this machine reaches. {database}",
    )
    add_stage_commands(commands, migrating, _migrate)
    return parser


def _migrate() -> None:
    url = open_database(os.environ)
    print(f"{describe(url)} is up to date.")


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is not between 1 and 65535")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
