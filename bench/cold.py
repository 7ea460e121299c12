"""From a fresh process to its first answer, and how large is what is shipped."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench.events import event, existing_key
from bench.many_tables import declare
from bench.registry import BARE, OURS, PEERS
from bench.warm import rotated
from infra.aws.api.compiled import compiled
from query_executor.database import Database
from query_executor.handler import create_handler
from query_executor.settings import Settings
from tests.lambda_runtime import SITE_PACKAGES, link_distributions

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "bench" / "cold_starts" / "first_answer.py"
# What the Lambda runtime of Python brings along; the API function ships no boto3 of its own.
RUNTIME = (
    "boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six",
    "awslambdaric", "simplejson", "snapshot-restore-py",
)  # fmt: skip
CLIENT = {
    "AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none",
}  # fmt: skip
YARDSTICK = "import chalice, make a boto3 Lambda client"
API, API_PACKAGED, EXECUTOR = "API function", "API function, as Chalice packages it", "executor function"
API_DEPLOYED = "API function, as our deploy packages it"
TABLES = 300
API_OF_MANY = f"API function, as our deploy packages it, {TABLES} tables declared"
# What Lambda's runtime has imported before it looks for a handler: logging, json and urllib among others.
IN_LAMBDA, LAMBDAS_CLIENT = "{}, in Lambda's runtime", "awslambdaric.bootstrap"


class Start(NamedTuple):
    """One kind of function: what is imported, what it is asked, where from, and what is there `before` it."""

    module: str
    attribute: str
    event: Mapping[str, Any]
    environment: Mapping[str, str]
    path: tuple[Path, ...] = (ROOT, SITE_PACKAGES)
    before: tuple[str, ...] = ()


def run(url: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """{"rows": {name: {"ms", "ratio", "of", "low", "high", "memory_kb"}}, "sizes": {name: bytes}}."""
    with TemporaryDirectory(prefix="bench-") as name, invoked(url) as endpoint:
        folder = Path(name)
        clone = cloned(folder)
        packages = {API_PACKAGED: packaged(clone, folder / "plain")}
        with compiled(clone) as build:
            packages[API_DEPLOYED] = packaged(build, folder / "deployed")
        many = cloned(folder / "many")
        declare(many, TABLES)
        with compiled(many) as build:
            packages[API_OF_MANY] = packaged(build, folder / "deployed-many")
        sizes = {
            "API function, zip": (folder / "deployed" / "out" / "deployment.zip").stat().st_size,
            "API function, unpacked": size(packages[API_DEPLOYED]),
            f"API function, unpacked, {TABLES} tables declared": size(packages[API_OF_MANY]),
            "executor's image above AWS's base": executor_size(),
        }
        starts = kinds(url, endpoint, packages, folder)
        taken: dict[str, list[tuple[float, int]]] = {each: [] for each in starts}
        for number in range(-1, rounds):  # the first round reads everything from the disk once
            for each in rotated(list(starts), number):
                measured = first_answer(starts[each])
                if number >= 0:
                    taken[each].append(measured)
            say(f"round {number + 1} of {rounds}")
    rows = {}
    for each, values in taken.items():
        base = YARDSTICK if each.startswith((YARDSTICK, API)) else BARE.name
        base = API_DEPLOYED if each == API_OF_MANY else IN_LAMBDA.format(base) if starts[each].before else base
        ratios = [mine[0] / its[0] for mine, its in zip(values, taken[base], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        rows[each] = {
            "ms": round(statistics.median(value[0] for value in values) * 1000, 1),
            "ratio": round(middle, 3),
            "of": base,
            "low": round(low, 3),
            "high": round(high, 3),
            "memory_kb": int(statistics.median(value[1] for value in values)),
        }
    return {"rounds": rounds, "rows": rows, "sizes": sizes}


def kinds(url: str, endpoint: str, packages: Mapping[str, Path], folder: Path) -> dict[str, Start]:
    """What is started."""
    get = event("GET", key=existing_key(1))
    database = {"DATABASE_URL": url}
    api = {"QUERY_EXECUTOR_FUNCTION": "executor", "AWS_ENDPOINT_URL_LAMBDA": endpoint, **CLIENT}
    (folder / "runtime").mkdir()
    runtime = link_distributions(folder / "runtime", *RUNTIME)
    sql = {"sql": "SELECT order_id, total_amount FROM demo.orders WHERE order_id = :key", "params": {"key": "O0000001"}}
    found = {
        YARDSTICK: Start("bench.cold_starts.chalice_boto3", "handler", get, CLIENT),
        API: Start("app", "app", get, api),
        **{
            name: Start("app", "app", get, {**api, "PYTHONDONTWRITEBYTECODE": "1"}, (package, runtime))
            for name, package in packages.items()
        },
        BARE.name: Start(f"bench.peers.{BARE.module}", "handler", get, database),
        EXECUTOR: Start("query_executor.handler", "handle", sql, database),
        **{
            peer.name: Start(f"bench.peers.{peer.module}", "handler", get, database)
            for peer in PEERS
            if peer not in (BARE, OURS)
        },
    }
    for name in (YARDSTICK, API_DEPLOYED, BARE.name, EXECUTOR):
        found[IN_LAMBDA.format(name)] = found[name]._replace(before=(LAMBDAS_CLIENT,))
    return found


def first_answer(start: Start) -> tuple[float, int]:
    """Seconds, and the most memory in KB, of one fresh process."""
    done = subprocess.run(
        # -S, -P: no .pth file of the environment is read and nothing is imported from the program's own folder
        [sys.executable, "-S", "-P", PROGRAM, start.module, start.attribute, json.dumps(start.event), *start.before],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, start.path)), **start.environment},
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    seconds, memory_kb = json.loads(done.stdout.splitlines()[-1])
    return seconds, memory_kb


@contextmanager
def invoked(url: str) -> Iterator[str]:
    """An endpoint that answers each Invoke as the executor did at first, so that only the API's own time counts."""
    database = Database(lambda: Settings({"dsn": url}))
    handle = create_handler(database)
    answers: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = json.dumps(request["statements"])
            if asked not in answers:
                answers[asked] = json.dumps(handle(request, None)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answers[asked])))
            self.end_headers()
            self.wfile.write(answers[asked])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
    database.close()


def cloned(folder: Path) -> Path:
    """A copy of the project as it is in a clone."""
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", "deployments", "bench", "tests", "docs")
    return shutil.copytree(ROOT, folder / "clone", symlinks=True, ignore=ignored)


def packaged(project: Path, folder: Path) -> Path:
    """What `chalice package` makes of the API function, unpacked."""
    subprocess.run(
        [Path(sys.executable).with_name("chalice"), "package", "--stage", "dev", folder / "out"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **CLIENT},
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(folder / "out" / "deployment.zip") as archive:
        archive.extractall(folder / "unzipped")
    return folder / "unzipped"


def size(folder: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def executor_size() -> int:
    """The bytes that the executor's image adds: its code, and the wheels of its requirements without caches."""
    total = sum(path.stat().st_size for path in (ROOT / "query_executor").rglob("*") if path.suffix in {".py", ".sql"})
    for line in (ROOT / "query_executor" / "requirements.txt").read_text().splitlines():
        name, pinned, _ = line.partition("==")  # the lines between are hashes
        for file in files(name) or () if pinned else ():
            path = Path(str(file.locate()))
            total += path.stat().st_size if path.is_file() and path.suffix != ".pyc" else 0
    return total
