"""The executor alone: its events are requests of the contract."""

import os

from query_executor.handler import create_local_handler

handler = create_local_handler(os.environ["DATABASE_URL"])
