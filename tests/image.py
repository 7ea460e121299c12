"""The executor's image without Docker: the instructions of its Dockerfile, and the files that it copies."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from infra.aws.executor.image import ignore_rules, is_ignored

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "query_executor" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, each on one line."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in text.split("\n")) if name
    ]


def build(folder: Path) -> Path:
    """Copy the executor's files like the image, and compile them like the image. Return the folder of the task."""
    rules = ignore_rules(ROOT)
    for name, arguments in instructions():
        if name != "COPY":
            continue
        source, target = arguments.split()[-2:]
        target = target.replace("${LAMBDA_TASK_ROOT}/", "")
        for path in sorted([ROOT / source, *(ROOT / source).rglob("*")]):
            within = path.relative_to(ROOT)
            if path.is_file() and not is_ignored(within, rules):
                copied = folder / target.lstrip("/") / within.relative_to(source)
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copied)
    shutil.rmtree(folder / "tmp")
    mode = re.search(r"compileall -q --invalidation-mode (\S+)", DOCKERFILE.read_text())
    assert mode
    subprocess.run([sys.executable, "-m", "compileall", "-q", "--invalidation-mode", mode[1], folder], check=True)
    return folder
