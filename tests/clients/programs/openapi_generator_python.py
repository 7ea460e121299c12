"""A program that a user of openapi-generator's Python client would write."""

import sys

from openapi_client import (
    ApiClient,
    ApiException,
    Configuration,
    CustomersApi,
    IdempotencyKeyReusedOrInvalidFieldsProblem,
    InvalidFieldsProblem,
    NewCustomer,
    NewOrder,
    OrderChange,
    OrdersApi,
    OrderStatus,
)
from openapi_client.exceptions import UnprocessableEntityException

client = ApiClient(Configuration(host=sys.argv[1]))
customers, orders = CustomersApi(client), OrdersApi(client)

assert customers.create_customer(NewCustomer(customer_id="Q0", customer_name="Ada", city="Rome")).city == "Rome"
rows = [NewCustomer(customer_id=f"Q{n}", customer_name="Many", city="Rome") for n in range(1, 5)]
assert [one.customer_id for one in customers.create_many_customers(rows)] == ["Q1", "Q2", "Q3", "Q4"]

found: list[str] = []
cursor = None
while True:
    page = customers.list_customers(city="Rome", customer_id_like="Q*", limit=2, cursor=cursor)
    found += [one.customer_id for one in page.items]
    if page.next is None:
        break
    cursor = page.next.partition("cursor=")[2].partition("&")[0]
assert found == ["Q0", "Q1", "Q2", "Q3", "Q4"]

new = NewOrder(order_id="Q-O", customer_id="Q0", total_amount=150.75, status=OrderStatus.SHIPPED)
orders.create_order(new)
etag = (orders.get_order_with_http_info("Q-O").headers or {})["ETag"]
changed = orders.update_order("Q-O", OrderChange(total_amount=99.99), if_match=etag)
assert (changed.total_amount, changed.status) == (99.99, OrderStatus.SHIPPED)
try:
    orders.update_order("Q-O", OrderChange(total_amount=1), if_match=etag)
except ApiException as error:
    assert error.status == 412
else:
    raise AssertionError("a stale ETag was taken")

try:
    orders.create_order(NewOrder(order_id="Q-X", customer_id="nobody", total_amount=1))
except UnprocessableEntityException as error:
    assert isinstance(error.data, IdempotencyKeyReusedOrInvalidFieldsProblem)
    problem = error.data.actual_instance
    assert isinstance(problem, InvalidFieldsProblem)
    assert [one.pointer for one in problem.errors or []] == ["#/customer_id"]
else:
    raise AssertionError("an unknown customer was taken")

orders.delete_order("Q-O")
for key in found:
    customers.delete_customer(key)
print("done")
