"""A test run that a signal ends leaves none of its processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A test with each kind of server. It prints its processes, and then waits for the signal.
_TEST = """
import sys
import threading

from tests import conftest
from tests.lambda_runtime import SITE_PACKAGES, lambda_function
from tests.postgres_versions import EMBEDDED, running
from tests.servers import own_server


def test_with_servers():
    with (
        own_server(hba="local all all trust") as own,
        running(EMBEDDED) as embedded,
        lambda_function("json.dumps", environment={{}}, python_path=[SITE_PACKAGES]) as function,
    ):
        pids = [function.pid, (own.data / "postmaster.pid").read_text().split()[0]]
        pids += [conftest.execute(embedded, "SELECT pg_read_file('postmaster.pid')")[0][0].split()[0]]
        with open({ready!r}, "w") as ready:
            ready.write(" ".join(map(str, pids)))
        threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Lambda's front end is built for Linux")
@pytest.mark.parametrize(
    ("number", "options"),
    [(signal.SIGTERM, []), (signal.SIGHUP, ["-n", "1"])],
    ids=["SIGTERM", "SIGHUP with xdist"],
)
def test_a_run_that_is_ended_leaves_no_process(number: int, options: list[str], tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    (tmp_path / "test_servers.py").write_text(_TEST.format(ready=str(ready)))
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "tests.conftest"]
    process = subprocess.Popen(
        [*command, *options, "-p", "no:schemathesis", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    pids = _said_by(process, ready).split()
    handles = [os.pidfd_open(int(pid)) for pid in pids]

    process.send_signal(number)
    output, _ = process.communicate()

    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert len(pids) == 3
    for handle in handles:
        select.select([handle], [], [])  # waits until the process has ended
        os.close(handle)


def _said_by(process: subprocess.Popen[str], pipe: Path) -> str:
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    ended = os.pidfd_open(process.pid)
    ready, _, _ = select.select([reading, ended], [], [])
    os.close(ended)
    assert reading in ready, process.communicate()[0]
    os.set_blocking(reading, True)
    with open(reading, encoding="utf-8") as said:  # noqa: PTH123 - of a descriptor
        return said.read()
