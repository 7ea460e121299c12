"""This project, with tables whose answers may be a day old: all but the first answer come from memory."""

import os

from msgspec.structs import replace

from crud_api.application import create_app
from crud_api.executor.seam import InProcessExecutor
from crud_api.resource.resource import MAX_AGE_S
from crud_api.tables import RESOURCES
from query_executor.handler import create_local_handler

handler = create_app(
    InProcessExecutor(create_local_handler(os.environ["DATABASE_URL"])),
    [replace(resource, max_age_s=MAX_AGE_S) for resource in RESOURCES],
)
