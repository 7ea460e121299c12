"""A program that a user of openapi-python-client would write. Its package is called `client` here."""

import sys

from client import Client
from client.api.customers import create_customer, create_many_customers, delete_customer, list_customers
from client.api.orders import create_order, delete_order, get_order, update_order, update_order_by_put
from client.models import (
    CustomerPage,
    CustomerView,
    InvalidFieldsProblem,
    NewCustomer,
    NewOrder,
    Order,
    OrderChange,
    OrderStatus,
    OrderView,
    PreconditionFailedProblem,
)

client = Client(base_url=sys.argv[1])

created = create_customer.sync(client=client, body=NewCustomer(customer_id="P0", customer_name="Ada", city="Rome"))
assert isinstance(created, CustomerView)
assert created.customer_name == "Ada"

many = create_many_customers.sync(
    client=client, body=[NewCustomer(customer_id=f"P{n}", customer_name="Many", city="Rome") for n in range(1, 5)]
)
assert isinstance(many, list)
assert [one.customer_id for one in many] == ["P1", "P2", "P3", "P4"]

found: list[str] = []
cursor = None
while True:
    page = (
        list_customers.sync(client=client, city="Rome", customer_idlike="P*", limit=2, cursor=cursor)
        if cursor
        else list_customers.sync(client=client, city="Rome", customer_idlike="P*", limit=2)
    )
    assert isinstance(page, CustomerPage)
    found += [one.customer_id for one in page.items]
    if page.next_ is None:
        break
    cursor = page.next_.partition("cursor=")[2].partition("&")[0]
assert found == ["P0", "P1", "P2", "P3", "P4"]

order = create_order.sync(
    client=client,
    body=NewOrder(order_id="P-O", customer_id="P0", total_amount=150.75, status=OrderStatus.SHIPPED),
)
assert isinstance(order, OrderView)
answer = get_order.sync_detailed("P-O", client=client)
etag = answer.headers["ETag"]
changed = update_order.sync("P-O", client=client, body=OrderChange(total_amount=99.99), if_match=etag)
assert isinstance(changed, Order)
assert (changed.total_amount, changed.status) == (99.99, OrderStatus.SHIPPED)
stale = update_order.sync("P-O", client=client, body=OrderChange(total_amount=1), if_match=etag)
assert isinstance(stale, PreconditionFailedProblem)
back = update_order_by_put.sync("P-O", client=client, body=OrderChange.from_dict(changed.to_dict()))
assert isinstance(back, Order)

wrong = create_order.sync(client=client, body=NewOrder(order_id="P-X", customer_id="nobody", total_amount=1))
assert isinstance(wrong, InvalidFieldsProblem)
assert isinstance(wrong.errors, list)
assert [one.pointer for one in wrong.errors] == ["#/customer_id"]

assert delete_order.sync_detailed("P-O", client=client).status_code == 204
for key in found:
    assert delete_customer.sync_detailed(key, client=client).status_code == 204
print("done")
