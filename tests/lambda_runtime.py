"""The real Lambda runtime on loopback: AWS's emulator runs awslambdaric, with one process for each function.

`LambdaFront` stands before these processes. Where the emulator answers in another way than the Lambda service (errors,
limits, concurrency), it answers like the service. A test can ask it for faults.
"""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import threading
import time
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import files
from pathlib import Path
from queue import Empty, LifoQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SITE_PACKAGES = Path(sysconfig.get_path("platlib"))
MAX_REQUEST_BYTES = 6 * 1024 * 1024
START_S = 60  # until the emulator listens: about 20 ms, but a busy machine may need longer
INVOKE_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")


def rie_binary(prefix: Path = Path(sys.prefix)) -> Path:
    machine = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
    binary = prefix / "lambda-rie" / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    if not binary.is_file():
        raise FileNotFoundError(f"{binary} is not there. Run, on Linux: make .venv/lambda-rie/.installed")
    if not os.access(binary, os.X_OK):
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    return binary


def link_distributions(folder: Path, *names: str) -> Path:
    """Fill `folder` with links to these installed distributions, without the distributions that they depend on."""
    for name in names:
        for top in {file.parts[0] for file in files(name) or ()} - {"..", "__pycache__"}:
            (folder / top).symlink_to(SITE_PACKAGES / top)
    return folder


class LambdaFunction:
    """One emulator and its runtime. It serves one invocation at a time. Start it with lambda_function()."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._command = command
        self._environment = environment
        self._folder = folder
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def endpoint_url(self) -> str:
        """The settings that boto3 needs to invoke it. The name of the function is `function`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process, "not started"
        return self._process.pid

    def logs(self) -> str:
        """Return what the function and the emulator wrote to stdout and stderr so far."""
        return self._log.read_text(errors="replace")

    def ensure_running(self) -> None:
        """Start it, or start it again if the emulator died (it dies when two calls overlap)."""
        if self._process and self._process.poll() is None:
            return
        self.stop()
        for _ in range(5):  # another program may take a port before the emulator does
            if self._start():
                return
        raise RuntimeError(f"aws-lambda-rie does not start:\n{self.logs()}")

    def _start(self) -> bool:
        ports = _free_ports(2)
        self.port = ports[0]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(rie_binary()),
                    *("--runtime-interface-emulator-address", f"127.0.0.1:{ports[0]}"),
                    *("--runtime-api-address", f"127.0.0.1:{ports[1]}"),
                    *self._command,
                ],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while self._process.poll() is None:
            if _listening_ports(self._process.pid) >= set(ports):
                return True
            if time.monotonic() > deadline:
                self.stop()
                raise TimeoutError(f"aws-lambda-rie does not listen after {START_S} s:\n{self.logs()}")
            threading.Event().wait(0.005)
        self.stop()
        return False

    def stop(self) -> None:
        """Kill the whole session, because the emulator puts its runtime into another process group."""
        if self._process:
            for pid in _session(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _listening_ports(pid: int) -> set[int]:
    """Return the ports on which this process listens. A connection alone would not show which process answers."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            sockets.add(str(descriptor.readlink()))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(line[1].split(":")[1], 16) for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}


def _session(leader: int) -> list[int]:
    members = []
    for process in Path("/proc").iterdir():
        with suppress(ValueError, ProcessLookupError):
            if os.getsid(int(process.name)) == leader:
                members.append(int(process.name))
    return members


@contextmanager
def lambda_function(
    handler: str,
    *,
    environment: Mapping[str, str],
    python_path: Sequence[Path],
    function_name: str = "function",
    timeout_s: int = 30,
) -> Iterator[LambdaFunction]:
    """Run `handler` ("module.function") like Lambda.

    Its sys.path has the standard library, `python_path` and the three distributions of the runtime. Add SITE_PACKAGES
    to give it the virtual environment too. Its environment has PATH, the variables that Lambda sets, and `environment`.
    It has no AWS credentials of the developer, and no HOME where they could be found.
    """
    if sys.platform != "linux":
        import pytest  # noqa: PLC0415 - the bench starts functions too, without pytest

        pytest.skip("AWS builds Lambda's front end and runtime for Linux only")
    with TemporaryDirectory(prefix="lambda-") as name:
        folder = Path(name)
        (folder / "runtime").mkdir()
        runtime = link_distributions(folder / "runtime", "awslambdaric", "simplejson", "snapshot-restore-py")
        function = LambdaFunction(
            # -S leaves out site-packages, and -P leaves out the working directory.
            [sys.executable, "-S", "-P", "-m", "awslambdaric", handler],
            {
                "PATH": os.environ["PATH"],
                "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's disk is read-only; here it keeps the folder clean
                "PYTHONPATH": os.pathsep.join(map(str, [*python_path, runtime])),
                "AWS_LAMBDA_FUNCTION_NAME": function_name,
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_s),
                **environment,
            },
            folder,
        )
        try:
            function.ensure_running()
            yield function
        finally:
            function.stop()


class _Reply(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str] = {}


def _error(status: int, code: str, message: str) -> _Reply:
    return _Reply(status, json.dumps({"Type": "User", "message": message}).encode(), {"x-amzn-ErrorType": code})


def _function_error(body: bytes) -> _Reply:
    return _Reply(200, body, {"X-Amz-Function-Error": "Unhandled"})


Refusal = Literal[
    "ResourceNotReadyException", "ResourceConflictException", "ENINotReadyException", "ENILimitReachedException",
    "EC2ThrottledException", "ServiceException",
]  # fmt: skip
Fault = Literal["hang", "run_and_hang", "run_and_cut"] | Refusal


class LambdaFront:
    """Lambda's Invoke API for one function name. It serves as many calls at once as it has processes.

    `requests` counts the Invoke requests that arrived, and `invocations` those that ran the function. Each entry of
    `faults` spoils one of the next requests. "hang" does not run the function and never answers. "run_and_hang" runs it
    and never answers. "run_and_cut" runs it and closes the connection. A `Refusal` is an error of Lambda, for example
    of a function that lost its network interfaces because nobody called it for weeks.
    """

    def __init__(self, function_name: str, functions: Sequence[LambdaFunction]) -> None:
        self.function_name = function_name
        self.requests = 0
        self.invocations = 0
        self.faults: deque[Fault] = deque()
        self._counting = threading.Lock()
        self._closing = threading.Event()
        self._idle: LifoQueue[LambdaFunction] = LifoQueue()  # the last used first, like Lambda
        for function in functions:
            self._idle.put(function)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LambdaFront:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, event: bytes) -> _Reply | None:
        """Return the reply to an Invoke request, or None if the connection must be closed."""
        with self._counting:
            self.requests += 1
            fault = self.faults.popleft() if self.faults else None
        if fault == "hang":
            self._closing.wait()
            return None
        if fault in get_args(Refusal):
            return _error(409 if fault == "ResourceConflictException" else 502, str(fault), "It is not active.")
        reply = self._invoke(path, event)
        if fault == "run_and_hang":
            self._closing.wait()
        return None if fault else reply

    def _invoke(self, path: str, event: bytes) -> _Reply:
        match = INVOKE_PATH.fullmatch(path)
        name = unquote(match[1]) if match else path
        if name.rsplit(":function:")[-1] != self.function_name:
            return _error(404, "ResourceNotFoundException", f"Function not found: {name}")
        if len(event) > MAX_REQUEST_BYTES:
            limit = f"Request must be smaller than {MAX_REQUEST_BYTES} bytes for the InvokeFunction operation"
            return _error(413, "RequestTooLargeException", limit)
        try:
            function = self._idle.get_nowait()
        except Empty:
            return _error(429, "TooManyRequestsException", "Rate Exceeded.")
        try:
            with self._counting:
                self.invocations += 1
            return _run(function, event or b"{}")
        finally:
            self._idle.put(function)


def _run(function: LambdaFunction, event: bytes) -> _Reply:
    """Invoke the emulator, and separate its failures from replies like the Lambda service."""
    function.ensure_running()
    connection = HTTPConnection("127.0.0.1", function.port)
    try:
        connection.request("POST", "/2015-03-31/functions/function/invocations", event)
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException):  # the emulator died, or is dying: its sockets close first
        function.stop()
        return _function_error(b'{"errorType": "Runtime.ExitError", "errorMessage": "Error: Runtime exited"}')
    finally:
        connection.close()
    if response.status != 200:  # a crash, or a reply that is too large, as JSON
        return _function_error(body)
    if body.startswith(b"Task timed out after "):  # this is plain text, and a function returns JSON
        return _function_error(
            json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": f"Error: {body.decode()}"}).encode()
        )
    if body.startswith(b'{"errorMessage": ') and _is_exception(json.loads(body)):
        return _function_error(body)
    return _Reply(200, body)


def _is_exception(reply: Any) -> bool:
    return set(reply) == {"errorMessage", "errorType", "requestId", "stackTrace"}


def _handler_of(front: LambdaFront) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # so boto3 keeps its connections, as with Lambda

        def do_POST(self) -> None:
            reply = front.answer(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            if reply is None:
                self.close_connection = True
                return
            with suppress(ConnectionError):  # the client has given up
                self.send_response(reply.status)
                headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body))}
                for header, value in {**headers, **reply.headers}.items():
                    self.send_header(header, value)
                self.end_headers()
                self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Log nothing, because a test reads the logs of the function and not of this server."""

    return Handler
