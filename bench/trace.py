"""Which files a warm GET of one row crosses. `.venv/bin/python -m bench.trace` writes it to docs/architecture.md.

A request enters a file when one of its functions is called, and leaves it when the last of them has returned. It goes
back to a file if it enters another file in between. The trace begins at the view and ends with its response. It leaves
out constructors, because to make a value is no step of the way, and `_wait`, which psycopg2 calls while the database
works.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from bench import database
from bench.events import request
from crud_api.application import create_app
from crud_api.executor.seam import InProcessExecutor
from query_executor.handler import create_local_handler

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BLOCK = re.compile(r"(^## One request, traced\n.*?^```text\n)(.*?)(^```$)", re.DOTALL | re.MULTILINE)
FOLDERS = ("crud_api/", "query_executor/")
FIRST = "crud_api/views/"
LEFT_OUT = {"__init__", "_wait"}
WARM_AFTER = 5  # requests: then the connection is there, and the statement is prepared


class Visit:
    """A file from where the request enters it to where it leaves it, within `depth` others. It has public functions."""

    def __init__(self, file: str, depth: int) -> None:
        self.file = file
        self.depth = depth
        self.functions: list[str] = []


def trace(database_url: str) -> list[Visit]:
    """The visits of one warm GET of one order, in their order."""
    app = create_app(InProcessExecutor(create_local_handler(database_url)))
    event = request("GET one", 1, "trace")
    for _ in range(WARM_AFTER):
        app(event, None)
    visits: list[Visit] = []
    open_visits: list[tuple[FrameType, Visit]] = []

    def note(frame: FrameType, happened: str, _argument: object) -> None:
        if happened == "call":
            file, name = _place(frame)
            if not (file.startswith(FIRST) if not open_visits else file.startswith(FOLDERS)) or name in LEFT_OUT:
                return
            visit = next((visit for _, visit in open_visits if visit.file == file), None)
            if visit is None and visits and visits[-1].file == file:
                visit = visits[-1]
            if visit is None:
                visit = Visit(file, len({visit.file for _, visit in open_visits}))
                visits.append(visit)
            if name not in visit.functions and (name[0] not in "_<" or name == "__call__"):
                visit.functions.append(name)
            open_visits.append((frame, visit))
        elif happened == "return" and open_visits and open_visits[-1][0] is frame:
            open_visits.pop()

    response = _profiled(note, lambda: app(event, None))
    if response["statusCode"] != 200:
        raise RuntimeError(response["body"])
    return visits


def written(visits: list[Visit]) -> str:
    """The block of docs/architecture.md. What a file calls stands below it, further to the right."""
    return "".join(f"{line}\n" for line in _lines(visits))


def _lines(visits: list[Visit]) -> Iterator[str]:
    files = ["  " * visit.depth + visit.file for visit in visits]
    width = max(len(file) for file in files)
    for number, (file, visit) in enumerate(zip(files, visits, strict=True), 1):
        yield f"{number:2} {file:{width}}  {', '.join(visit.functions)}"


def _place(frame: FrameType) -> tuple[str, str]:
    return frame.f_code.co_filename.removeprefix(f"{ROOT}/"), frame.f_code.co_name


def _profiled(note: Callable[[FrameType, str, object], None], call: Callable[[], Any]) -> Any:
    sys.setprofile(note)
    try:
        return call()
    finally:
        sys.setprofile(None)


if __name__ == "__main__":
    with database.running() as url:
        block = written(trace(url))
    PAGE.write_text(BLOCK.sub(lambda match: match[1] + block + match[3], PAGE.read_text()))
