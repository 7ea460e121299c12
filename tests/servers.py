"""PostgreSQL servers that a test may change: passwords, TLS, many connections, a primary that becomes a standby."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local.postgres_programs import run_program, server_account

_MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's file system in memory
_ROOM = 4 * 2**30  # bytes that a whole run never fills; a container often has 64 MB
DEBIANS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def data_folder() -> TemporaryDirectory[str]:
    """Return a new folder for the data of a server, which the server's account can enter.

    It is in memory if there is room, because tests make and drop many files. To make a database took 80 ms on a disk
    that discards what is deleted, and 13 ms in memory. pytest's own folder does not work: the server's account cannot
    enter the folder of root, and the path is too long for a socket.
    """
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM
    folder = TemporaryDirectory(prefix="crud-api-", dir=_MEMORY if in_memory else None)
    Path(folder.name).chmod(0o755)
    return folder


class OwnServer:
    """A server for one test. `url` is for its superuser, over the unix socket, without a password."""

    def __init__(self, folder: Path, programs: Path | None) -> None:
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"postgresql://postgres@/postgres?host={folder}&port={self.port}"
        self._programs = programs

    def run(self, name: str, *arguments: str) -> None:
        # An absolute path stays as it is. A name means one of the embedded programs.
        done = run_program(str(self._programs / name) if self._programs else name, *arguments)
        log = self.data / "log"
        assert done.returncode == 0, done.stdout + (log.read_text() if log.exists() else "")

    def start(self) -> None:
        options = f"-p {self.port} -c unix_socket_directories={self.data.parent}"
        self.run("pg_ctl", "start", "-w", "-D", str(self.data), "-l", str(self.data / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "stop", "-w", "-D", str(self.data), "-m", mode)

    def write(self, name: str, text: str) -> Path:
        """Write a file into the data folder. The server may read it."""
        path = self.data / name
        path.touch(mode=0o600)
        path.write_text(text)
        if account := server_account():
            os.chown(path, account.uid, account.gid)
        return path

    def reload(self) -> None:
        self.run("pg_ctl", "reload", "-D", str(self.data))


@cache
def _new_data(programs: Path | None) -> Path:
    """What initdb makes, once. To copy it takes a tenth of the time. The end of this process removes it."""
    folder = data_folder()
    atexit.register(folder.cleanup)
    if account := server_account():
        os.chown(folder.name, account.uid, account.gid)
    made = OwnServer(Path(folder.name), programs)
    made.run("initdb", "-D", str(made.data), "-U", "postgres", "--no-sync", "--auth=trust", "--encoding=UTF8")
    return made.data


@contextmanager
def own_server(*settings: str, hba: str, programs: Path | None = None, **files: str) -> Iterator[OwnServer]:
    """Run a new server, by default the embedded one. `files` are put into its data folder; a _ in a name is a dot."""
    with data_folder() as folder:
        if account := server_account():
            os.chown(folder, account.uid, account.gid)
        server = OwnServer(Path(folder), programs)
        copy_data(_new_data(programs), server.data)
        config = server.data / "postgresql.conf"
        always = [
            "fsync = off", "full_page_writes = off", "max_wal_size = 128MB", "shared_buffers = 16MB",
            "listen_addresses = '127.0.0.1'",
        ]  # fmt: skip
        config.write_text("\n".join([config.read_text(), *always, *settings, ""]))
        server.write("pg_hba.conf", hba)
        for name, text in files.items():
            server.write(name.replace("_", "."), text)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


def copy_data(data: Path, target: Path) -> None:
    """Copy the data folder of a server that does not run. The copy belongs to the same account."""
    subprocess.run(["cp", "-a", data, target], check=True)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
