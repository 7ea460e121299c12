"""Which files of the project a warm GET of one row runs through, in order: `.venv/bin/python -m bench.trace`.

It counts calls of functions. Making a value (`Statement(...)`) is no step of the way, so constructors are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from bench import database
from bench.events import request
from crud_api.application import create_app
from crud_api.executor.seam import InProcessExecutor
from query_executor.handler import create_local_handler

ROOT = Path(__file__).parents[1]
FOLDERS = ("crud_api/", "query_executor/", "app.py")
WARM_AFTER = 5  # requests: then the connection is there, and the statement is prepared


def trace(database_url: str) -> list[tuple[str, list[str]]]:
    """The files in the order in which their functions are called, each with its functions."""
    app = create_app(InProcessExecutor(create_local_handler(database_url)))
    event = request("GET one", 1, "trace")
    for _ in range(WARM_AFTER):
        app(event, None)
    return _files(called(lambda: app(event, None)))


def called(call: Callable[[], Any]) -> list[tuple[str, str]]:
    """The functions of the project that a call runs: (file, name)."""
    calls: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            file = frame.f_code.co_filename.removeprefix(f"{ROOT}/")
            name = frame.f_code.co_name
            if file.startswith(FOLDERS) and name != "__init__":
                calls.append((file, name))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return calls


def _files(calls: list[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    files: list[tuple[str, list[str]]] = []
    for file, name in calls:
        if not files or files[-1][0] != file:
            files.append((file, []))
        if name not in files[-1][1]:
            files[-1][1].append(name)
    return files


def written(files: list[tuple[str, list[str]]]) -> str:
    """The block of docs/architecture.md."""
    width = max(len(file) for file, _ in files)
    return "".join(f"{number:2}  {file:{width}}  {', '.join(names)}\n" for number, (file, names) in enumerate(files, 1))


if __name__ == "__main__":
    with database.running() as url:
        sys.stdout.write(written(trace(url)))
