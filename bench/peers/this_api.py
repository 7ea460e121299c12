"""This project: the API and the executor in one process, with the contract's JSON between them."""

import os

from crud_api.application import create_app
from crud_api.executor.seam import InProcessExecutor
from query_executor.handler import create_local_handler

handler = create_app(
    InProcessExecutor(create_local_handler(os.environ["DATABASE_URL"])), access=os.environ.get("ACCESS") or "none"
)
