"""A clone in which a reader has followed a page: its files are created, and its lines are added."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"
_LAST_IMPORT = "from crud_api.tables.orders import orders\n"


def copy_clone(folder: Path) -> None:
    """Copy this clone into the folder."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in listed.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name, follow_symlinks=False)
    (folder / ".venv").symlink_to(ROOT / ".venv")


def make(folder: Path, command: str, **environment: str) -> str:
    """Run a command of make in the folder; return what it printed."""
    return subprocess.run(
        # Under `make test` this make would also print the folder.
        ["bash", "-c", command.replace("make ", "make --no-print-directory --old-file=.venv/.installed-local ", 1)],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


class Page:
    """A page that tells its reader to write a migration, and perhaps to declare a table."""

    def __init__(self, name: str) -> None:
        self.text = (ROOT / name).read_text()
        # The files that the page tells its reader to create, or to write SQL into, part by part.
        self.created: dict[str, str] = {}
        for path, part in re.findall(
            r"(?:[Cc]reate|SQL into) `([\w/.-]+)`[^\n]*\n\n```\w+\n(.*?)^```$", self.text, re.DOTALL | re.MULTILINE
        ):
            self.created[path] = f"{self.created[path]}\n{part}" if path in self.created else part

    def blocks(self, language: str) -> list[str]:
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.DOTALL | re.MULTILINE)

    def console(self, beginning: str) -> list[tuple[str, str]]:
        """The commands that begin so, with what the page says they print."""
        parts = [part for block in self.blocks("console") for part in re.split(r"^\$ ", block, flags=re.M)[1:]]
        found = [re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", part, re.DOTALL) for part in parts]
        return [(one[1], one[2].strip()) for one in found if one is not None and one[1].startswith(beginning)]

    def follow(self, folder: Path) -> Path:
        """Copy this clone into the folder and do there what the page says."""
        copy_clone(folder)
        ((command, said),) = self.console("make migration")
        printed = make(folder, command)
        assert printed.startswith(said.removesuffix("..."))
        made = printed.splitlines()[0]
        for name, text in self.created.items():
            assert (folder / name).exists() == (name == made)
            (folder / name).write_text(text)
        if self.blocks("python"):
            self._serve(folder / "crud_api" / "tables" / "__init__.py")
        return folder

    def _serve(self, tables: Path) -> None:
        shown = "\n".join(self.blocks("python"))
        (added,) = re.findall(r"^from crud_api\.tables\.\w+ import \w+\n", shown, re.MULTILINE)
        (served_now,) = re.findall(r"^RESOURCES = .*$", shown, re.MULTILINE)
        text, lines = re.subn(r"^RESOURCES = .*$", served_now, tables.read_text(), flags=re.MULTILINE)
        assert (lines, text.count(_LAST_IMPORT)) == (1, 1)
        tables.write_text(text.replace(_LAST_IMPORT, _LAST_IMPORT + added))
