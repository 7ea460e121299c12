"""Sends a few requests through a stage's URL, and compares the answers. It leaves no row behind."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

from infra.errors import SmokeError
from infra.gateway.responses import PROBLEMS

# From a request (method, URL, body) to the headers that let it in.
Credentials = Callable[[str, str, bytes], Mapping[str, str]]
# Seconds until a new key and a new deployment are known everywhere, until a right of the API's own role is, and the
# limit of one request.
SETTLES_S, OWN_SETTLES_S, REQUEST_S = 120, 20, 35
# API Gateway does not know the key yet, or got too many requests: nothing was done.
REFUSED = frozenset({401, 403, 429})
# The same, and for a read: an address, a permission or a function is not known or ready yet.
NOT_YET = REFUSED | {0, 500, 502, 503, 504}
# Problems of the API itself that may pass: it may not invoke the executor yet, or the executor is busy.
OWN_NOT_YET = frozenset({502, 503})


@dataclass(frozen=True)
class Answer:
    """`own`: the API sent it, and not the gateway before it. `for_good`: a repetition would not help."""

    status: int
    body: Any
    own: bool = False
    for_good: bool = False

    @property
    def is_withheld(self) -> bool:
        """Whether row security, or the caller's database role, forbids what was asked. The stage may mean that."""
        return self.own and self.body["type"].endswith((":forbidden", ":not-permitted"))


def nobody(_method: str, _url: str, _body: bytes) -> Mapping[str, str]:
    return {}


def with_key(key: str) -> Credentials:
    return lambda _method, _url, _body: {"x-api-key": key}


def with_token(token: str) -> Credentials:
    return lambda _method, _url, _body: {"Authorization": token}


def signed(session: Any, region: str) -> Credentials:
    """Signature version 4, with the credentials of the user who runs the command."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415

    def headers(method: str, url: str, body: bytes) -> Mapping[str, str]:
        request = AWSRequest(method, url, data=body, headers={"Content-Type": "application/json"})
        SigV4Auth(session.get_credentials().get_frozen_credentials(), "execute-api", region).add_auth(request)
        return dict(request.headers.items())

    return headers


@dataclass
class Smoke:
    """`pause` is called between two requests to an API that lets no request in yet.

    `ca_bundle` is a file of certificates to trust instead of this Python's own.
    """

    url: str
    credentials: Credentials
    say: Callable[[str], None]
    is_open: bool = False
    ca_bundle: str | None = None
    pause: Callable[[], None] = field(default=lambda: time.sleep(3))
    _settled: float = field(default=0.0, init=False)
    _own_settled: float = field(default=0.0, init=False)

    def run(self) -> None:
        """Send the requests. Raises `SmokeError` at the first wrong answer."""
        self._settled, self._own_settled = time.monotonic() + SETTLES_S, time.monotonic() + OWN_SETTLES_S
        first = self._let_in("GET", "/customers?limit=1", not_yet=NOT_YET)
        _compare("GET /customers?limit=1", first.status == 200 or first.is_withheld, first)
        if not self.is_open:
            refused = self._send("GET", "/customers?limit=1", credentials=nobody)
            _compare("without credentials", refused.status in (401, 403), refused)
        self._expect("GET", "/ready", 200)
        if first.is_withheld:
            self.say("the database keeps the rows of customers from this caller: no row was stored to test it")
            return
        mark = f"smoke-{uuid4().hex[:12]}"
        try:
            self._rows(mark)
        finally:
            # In any case: a row may exist although its answer was lost.
            for path in (f"/orders/{mark}", f"/customers/{mark}"):
                gone = self._let_in("DELETE", path)
                if gone.status not in (204, 404):
                    self.say(f"could not clean up: delete {path} yourself ({gone.status})")

    def _rows(self, mark: str) -> None:
        customer = {"customer_id": mark, "customer_name": "Smoke Test", "email": f"{mark}@example.com"}
        order = {"order_id": mark, "customer_id": mark, "status": "pending", "total_amount": 12.34}
        first = self._let_in("POST", "/customers", customer)
        if first.is_withheld:
            self.say("the database lets this caller store no customer: changes were not tested")
            return
        self._same("POST /customers: 201", 201, first, customer)
        self._expect("GET", f"/customers/{mark}", 200, has=customer)
        self._expect("POST", "/orders", 201, order, order)
        listed = self._expect("GET", f"/orders?customer_id={mark}", 200)
        items = listed.body.get("items", [])
        _compare("the list has the order", [order.get("order_id") for order in items] == [mark], listed)
        self._expect("PUT", f"/orders/{mark}", 200, {"status": "shipped"}, {**order, "status": "shipped"})
        self._expect("POST", "/customers", 409, customer)
        self._expect("DELETE", f"/customers/{mark}", 409)  # the order refers to it
        self._expect("DELETE", f"/orders/{mark}", 204)
        self._expect("DELETE", f"/customers/{mark}", 204)
        self._expect("GET", f"/customers/{mark}", 404)

    def _let_in(self, method: str, path: str, body: Any = None, not_yet: frozenset[int] = REFUSED) -> Answer:
        """The answer, of a later try for a while: a host of API Gateway may not know yet what another host knows."""
        waits = False
        while True:
            answer = self._send(method, path, body)
            waited_for, until, seconds = (
                (not_yet & OWN_NOT_YET, self._own_settled, OWN_SETTLES_S)
                if answer.own
                else (not_yet, self._settled, SETTLES_S)
            )
            if answer.for_good or answer.status not in waited_for or time.monotonic() >= until:
                return answer
            if not waits:
                self.say(f"{method} {path}: {answer.status or 'no answer'} yet; trying again for up to {seconds} s")
            waits = True
            self.pause()

    def _expect(
        self, method: str, path: str, status: int, body: Any = None, has: Mapping[str, Any] | None = None
    ) -> Answer:
        answer = self._let_in(method, path, body)
        self._same(f"{method} {path.partition('?')[0]}: {status}", status, answer, has or {})
        return answer

    def _same(self, what: str, status: int, answer: Answer, has: Mapping[str, Any]) -> None:
        _compare(what, answer.status == status, answer)
        for name, value in has.items():
            found = answer.body.get(name) if isinstance(answer.body, dict) else None
            _compare(f"{what} with {name}={value!r}", found == value, answer)
        self.say(what)

    def _send(self, method: str, path: str, body: Any = None, credentials: Credentials | None = None) -> Answer:
        """The answer; with status 0 when none came."""
        address, data = self.url.rstrip("/") + path, b"" if body is None else json.dumps(body).encode()
        let_in = (credentials or self.credentials)(method, address, data)
        sent = {**let_in, **({"Content-Type": "application/json"} if data else {})}
        if urlsplit(address).scheme not in ("http", "https"):
            raise SmokeError(f"{self.url} is not the address of an API: https://...")
        try:
            request = Request(address, data or None, dict(sent), method=method)  # noqa: S310 - checked above
            with urlopen(request, timeout=REQUEST_S, context=self._tls) as answer:  # noqa: S310
                return Answer(answer.status, _read(answer.read()))
        except HTTPError as error:
            with error:
                return _answer(error.code, _read(error.read()))
        except (URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                said = (
                    f"{reason}. Name the file of the certificates to trust in AWS_CA_BUNDLE, as for every AWS program."
                )
                return Answer(0, said, for_good=True)
            return Answer(0, str(error))

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_bundle)


def _answer(status: int, body: Any) -> Answer:
    """The answer, with its sender. The gateway's own problems are constant: infra/gateway/responses.py has them."""
    title = body.get("detail") if isinstance(body, dict) else None
    gateways = {problem.detail for problem in PROBLEMS.values()}
    return Answer(status, body, own=isinstance(body, dict) and "type" in body and title not in gateways)


def _read(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode(errors="replace")


def _compare(what: str, right: bool, answer: Answer) -> None:
    if not right:
        said = answer.body if answer.status == 0 else f"{answer.status} {json.dumps(answer.body)[:500]}"
        raise SmokeError(f"The API does not answer as it should. Expected: {what}. It answered: {said}")
