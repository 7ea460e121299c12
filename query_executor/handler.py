"""The executor's Lambda handler. It takes an event and returns the contract's answer."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from query_executor import contract, log
from query_executor.contract import Failure, Reply, Request
from query_executor.database import Database
from query_executor.errors import SettingsError
from query_executor.settings import Settings

Handler = Callable[[object, object], dict[str, object]]


def create_handler(database: Database) -> Handler:
    """A handler that runs its requests on `database`."""

    def handle(event: object, context: object) -> dict[str, object]:
        """Run the request in `event`; return a reply or a failure in the contract's form."""
        started = time.perf_counter()
        remaining = getattr(context, "get_remaining_time_in_millis", None)

        def run(request: Request) -> Reply | Failure:
            try:
                return database.run(request, remaining() if remaining is not None else None)
            except SettingsError as error:
                log.LOG.error("%s", error)
                return Failure(contract.UNAVAILABLE, str(error))

        def note(request: Request | None, answer: Reply | Failure) -> None:
            if log.LOG.isEnabledFor(logging.INFO):
                log.invocation(request, answer, started, getattr(context, "function_name", "local"))

        return contract.serve(event, run, note)

    return handle


def create_local_handler(database_url: str) -> Handler:
    """A handler for one database, with a connection of its own."""
    return create_handler(Database(lambda: Settings({"dsn": database_url})))


# The line of each invocation is for CloudWatch. On a laptop Chalice's server already prints a line for each request.
in_lambda = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
log.LOG.setLevel(logging.INFO if in_lambda else logging.WARNING)

# What Lambda calls. This Database keeps the connection between invocations.
handle = create_handler(Database(lambda: Settings.from_environment(os.environ)))
