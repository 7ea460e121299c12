"""The tables that are served: one declaration each, and their lists."""

from crud_api.resource.tables import Tables
from crud_api.tables.customers import customers
from crud_api.tables.orders import orders

# These have paths of their own: /customers, /orders/{order_id}. API Gateway has room for about 70 of them.
RESOURCES = (customers, orders)

# Every declared table, any number of them. A name, as in Tables(*RESOURCES, "payments"), is a module of this folder.
TABLES = Tables(*RESOURCES)
