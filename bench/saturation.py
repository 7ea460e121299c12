"""Many API functions on few executors, as Lambda runs them: what is answered, and what is refused.

Ten executors are the reserved concurrency of a stage. If all are busy, Lambda refuses an invocation at once (429,
TooManyRequestsException). The front end here does the same. The API's functions are processes, and each has a client
that waits when Retry-After says so.
"""

from __future__ import annotations

import statistics
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from typing import Any

from bench.cold import CLIENT
from bench.events import event, existing_key
from bench.registry import OURS
from bench.worker import Worker

EXECUTORS = 10
FUNCTIONS = (1, 10, 100)
BUSY = b'{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}'


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # With the usual 5, the kernel drops connections that are made at once, and a client tries again after a second.
    request_queue_size = 256


def run(url: str, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """{"rows": {functions: {"per_second", "refused_per_second", "p50_ms", "p99_ms", "slowest_ms", "statuses"}}}."""
    rows = {}
    with _lambda(url) as endpoint:
        for count in FUNCTIONS:
            rows[str(count)] = _pressed(endpoint, count, seconds)
            say(f"{count} functions")
    return {"seconds": seconds, "rows": rows}


def _pressed(endpoint: str, count: int, seconds: float) -> dict[str, Any]:
    environment = {
        "QUERY_EXECUTOR_FUNCTION": "executor", "AWS_ENDPOINT_URL_LAMBDA": endpoint, "ACCESS": "none",
        **CLIENT, **OURS.environment,
    }  # fmt: skip
    with ExitStack() as stack:
        functions = []
        for _ in range(count):
            functions.append(Worker("this_api_invoking", "", **environment))
            stack.callback(functions[-1].close)
        for function in functions:  # each has started, and has made its connection
            function(event("GET", key=existing_key(1)))
        for function in functions:
            function.send({"press": seconds})
        answers = [(taken, status) for function in functions for taken, status in function.receive()]
    served = [taken for taken, status in answers if status < 400]
    return {
        "per_second": round(len(served) / seconds, 1),
        "refused_per_second": round((len(answers) - len(served)) / seconds, 1),
        "p50_ms": round(statistics.median(served) * 1000, 3),
        "p99_ms": round(statistics.quantiles(served, n=100)[98] * 1000, 3),
        "slowest_ms": round(max(taken for taken, _ in answers) * 1000, 3),
        "statuses": sorted(Counter(status for _, status in answers)),
    }


@contextmanager
def _lambda(url: str) -> Iterator[str]:
    """Gives the endpoint of a front end of Lambda that has so many executors."""
    with ExitStack() as stack:
        idle: SimpleQueue[Worker] = SimpleQueue()
        for _ in range(EXECUTORS):
            worker = Worker("executor", url, **OURS.environment)
            stack.callback(worker.close)
            idle.put(worker)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                request = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    worker = idle.get_nowait()
                except Empty:
                    self._answer(429, BUSY, {"x-amzn-ErrorType": "TooManyRequestsException"})
                    return
                answer = worker.answer(request)
                idle.put(worker)
                self._answer(200, answer, {})

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = stack.enter_context(_Server(("127.0.0.1", 0), Handler))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
