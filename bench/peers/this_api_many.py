"""This project with 100 declared tables. Each of them refers to customers, and all are read."""

import os

from msgspec.structs import replace

from crud_api.application import create_app
from crud_api.executor.seam import InProcessExecutor
from crud_api.resource.resource import Reference
from crud_api.resource.tables import Tables
from crud_api.tables import RESOURCES
from crud_api.tables.orders import orders
from query_executor.handler import create_local_handler

TABLES = 100

_others = [
    replace(
        orders,
        name=f"orders_{n}",
        references={"customer_id": Reference(resource="customers", name="customer", reverse=f"orders_{n}")},
    )
    for n in range(TABLES - len(RESOURCES))
]
handler = create_app(
    InProcessExecutor(create_local_handler(os.environ["DATABASE_URL"])),
    RESOURCES,
    tables=Tables(*RESOURCES, *_others),
)
