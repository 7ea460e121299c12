"""A standby, for example a former primary: it serves reads, and a change may succeed soon."""

from __future__ import annotations

from query_executor.migrate import apply_migrations
from tests.functional.client import api_on
from tests.servers import own_server


def test_a_change_that_meets_a_standby_is_to_be_sent_again_soon() -> None:
    with own_server(hba="local all all trust") as server:
        apply_migrations(server.url)
        api = api_on(server.url)
        assert api("POST", "/customers", {"customer_id": "C1", "customer_name": "Ada"}).status == 201
        server.stop()
        server.write("standby.signal", "")
        server.start()
        for answer in (
            api("POST", "/customers", {"customer_id": "C2", "customer_name": "Bob"}),
            api("POST", "/customers", [{"customer_id": "C2", "customer_name": "Bob"}]),
            api("POST", "/customers", {"customer_id": "C2", "customer_name": "Bob"}, idempotency_key="k"),
            api("PATCH", "/customers/C1", {"city": "Paris"}),
            api("PUT", "/customers/C1", {"city": "Paris"}, if_match='"x"'),
            api("DELETE", "/customers/C1"),
        ):
            assert (answer.status, answer.headers.get("retry-after")) == (503, "1"), answer.body
            assert "allow" not in answer.headers
        assert api("GET", "/customers/C1").json["customer_name"] == "Ada"
        assert len(api("GET", "/customers").json["items"]) == 1


def test_a_change_that_meets_a_server_that_is_read_only_for_good_is_not_allowed() -> None:
    with own_server(hba="local all all trust") as server:
        apply_migrations(server.url)
        server.write("postgresql.auto.conf", "default_transaction_read_only = on\n")
        server.stop()
        server.start()
        api = api_on(server.url)
        answer = api("POST", "/customers", {"customer_id": "C2", "customer_name": "Bob"})
        assert (answer.status, answer.headers.get("allow")) == (405, "GET, HEAD"), answer.body
        assert "retry-after" not in answer.headers
        assert api("GET", "/customers").status == 200
