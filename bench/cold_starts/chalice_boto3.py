"""What every Chalice function that invokes another one begins with, and nothing else: the API function's yardstick."""

import boto3
from chalice.app import Chalice, Response

app = handler = Chalice("bare")
client = boto3.client("lambda")


@app.route("/orders/{order_id}")
def get_order(order_id: str) -> Response:
    """GET /orders/X, answered without any invocation."""
    return Response({"order_id": order_id})
