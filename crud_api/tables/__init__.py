"""The tables that are served: one declaration each, and their list."""

from crud_api.tables.customers import customers
from crud_api.tables.orders import orders

RESOURCES = (customers, orders)
