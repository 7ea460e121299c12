"""`create_app` makes the Chalice app from the resources that it serves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence

from chalice.app import Chalice, Response

from crud_api import cors
from crud_api.access import NO_ROLES, Roles
from crud_api.errors import ApiError, NotPermittedError, PostgrestError
from crud_api.executor.kept import KeptAnswers
from crud_api.executor.seam import Execute, Rest, request_id
from crud_api.functions import FUNCTIONS
from crud_api.request.caller import ApiRequest, identify
from crud_api.resource import Resource
from crud_api.resource.functions import Functions
from crud_api.resource.relations import relations_of
from crud_api.resource.tables import Tables
from crud_api.response import problems
from crud_api.response.responses import ChosenResponse, without_body
from crud_api.routes import REST, add_routes
from crud_api.runtime.text_only_chalice import TextOnlyChalice
from crud_api.tables import RESOURCES, TABLES

APP_NAME = "crud-api"


def create_app(  # noqa: PLR0913 - here everything comes together
    execute: Execute,
    resources: Sequence[Resource] = RESOURCES,
    *,
    tables: Tables | None = None,
    functions: Functions = FUNCTIONS,
    access: str = "none",
    roles: Roles = NO_ROLES,
    cors_origins: Sequence[str] = (),
    rest_allows: Collection[str] = (),
    tells_all: bool = False,
    stage: str | None = None,
    now: Callable[[], float] = time.time,
) -> Chalice:
    """The app that serves the resources by `execute`. `access` is the kind of access by which it knows its callers.

    The description says that it is needed. `roles` are the database roles of the callers. `tables` are those of
    /rest/v1: without them, those of crud_api/tables, or the resources if they are others. `functions` are those below
    /rest/v1/rpc. `rest_allows` is what is allowed there beyond the defaults (`Settings`).

    `stage` is the name of the stage in AWS, for messages that name a command. A laptop has none. `tells_all`: the log
    is a laptop's terminal, so the database's messages are shown there, with the values in them. Answers age by `now`.
    """
    # Lambda's own handler writes the lines of the standard loggers as JSON. Chalice's handler would not.
    app = TextOnlyChalice(APP_NAME, identify(access, roles), configure_logs=False)
    log = logging.getLogger(APP_NAME)
    kept = KeptAnswers(execute, now)
    if cors_origins:
        cors.allow_origins(app, cors_origins)  # before the problems, so that they have its headers, too

    @app.middleware("http")
    def answer_problems(request: ApiRequest, get_response: Callable[[ApiRequest], Response]) -> Response:
        """Turn everything that is not a success into a problem."""
        response = answer(request, get_response)
        return response if request.method != "HEAD" else without_body(response)

    def answer(request: ApiRequest, get_response: Callable[[ApiRequest], Response]) -> Response:
        try:
            response = get_response(request)
            if response.status_code < 400 or isinstance(response, ChosenResponse):
                return response if request.answered is None else kept.with_age(response, request.answered)
            error = problems.from_chalice(response)
        except ApiError as raised:
            error = raised
        if error.status >= 500:
            extra = {"status": error.status, "cause": error.cause, "api_request_id": request_id(request)}
            said = ""
            if tells_all:
                said = f" (urn:uuid:{request_id(request)}){f': {error.said}' if error.said else ''}"
            log.error("%s: %s%s", error.slug, error.cause, said, extra=extra)
        elif isinstance(error, NotPermittedError | PostgrestError) and error.status == 403:  # a GRANT may be missing
            log.warning("%s: %s", error.slug, error.cause, extra={"api_request_id": request_id(request)})
        if str(request.context.get("resourcePath")).startswith(REST):
            from crud_api.response import rest_v1  # noqa: PLC0415 - see routes.py

            return rest_v1.error(error)
        return problems.to_response(error, request_id(request))

    relations = relations_of({resource.name: resource for resource in resources})
    if tables is None:
        tables = TABLES if resources is RESOURCES else Tables(*resources)
    rest = Rest(tables, functions, kept, rest_allows)
    add_routes(app, resources, relations, kept, rest, access=access, stage=stage, preflights=bool(cors_origins))
    return app
