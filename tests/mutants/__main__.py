"""python -m tests.mutants: checks that the tests find each mutation. The exit status is 1 if they do not."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from tests.mutants.mutations import MUTATIONS, Mutation

PROJECT = Path(__file__).parents[2]
_DONE, _FOUND = 0, 1  # pytest's status if all tests passed, and if a test failed
_ATTEMPT_S = 600  # pytest ends a test that hangs much earlier


class MutationError(Exception):
    """A mutation that cannot be made: its file does not have the line exactly once."""


class Outcome(Struct, frozen=True):
    """The result of pytest: its exit status, the test that failed, its output and its time."""

    status: int
    killer: str
    output: str
    seconds: float


def mutated(mutation: Mutation, text: str) -> str:
    """The file's text with the mutation. A comment after the line does not count. Raises `MutationError`."""
    pattern = re.compile(rf"^([ ]*){re.escape(mutation.line)}(  #.*)?$", re.MULTILINE)
    if len(pattern.findall(text)) != 1:
        raise MutationError(f"{mutation.file} does not have exactly once: {mutation.line}")
    return pattern.sub(lambda match: match[1] + mutation.becomes, text)


def _attempt(project: Path, mutation: Mutation | None, arguments: Sequence[str]) -> Outcome:
    """Run tests in a copy of the project with the mutation."""
    with TemporaryDirectory(prefix="crud-api-") as folder:
        copy = Path(folder)
        copy.chmod(0o755)  # so that PostgreSQL's account can read it
        for name in _files(project):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, copy / name, follow_symlinks=False)
        (copy / ".venv").symlink_to(project / ".venv")
        if mutation is not None:
            file = copy / mutation.file
            file.write_text(mutated(mutation, file.read_text()))
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=copy,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_ATTEMPT_S,
            check=False,
        )
        seconds = time.monotonic() - started
    failed = re.search(r"^FAILED (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    return Outcome(done.returncode, failed[1] if failed else "", done.stdout, seconds)


def _files(project: Path) -> list[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=project, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in names if name and ((project / name).is_file() or (project / name).is_symlink())]


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=".venv/bin/python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="only the mutations that have one of these in their harm or file")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="how many at once; 2 by default")
    parser.add_argument("-l", "--list", action="store_true", help="list them and do nothing")
    return parser.parse_args(arguments)


def main(
    arguments: Sequence[str] | None = None, mutations: Sequence[Mutation] = MUTATIONS, project: Path = PROJECT
) -> int:
    """Try the mutations. Return the exit status."""
    asked = _parsed(arguments)
    wanted = [
        one for one in mutations if not asked.words or any(word in f"{one.harm} {one.file}" for word in asked.words)
    ]
    if asked.list:
        _say(*(f"{one.file}: {one.harm}" for one in wanted))
        return 0
    if not wanted:
        _say("There is no such mutation.")
        return 1
    for one in wanted:
        mutated(one, (project / one.file).read_text())
    pool = ThreadPoolExecutor(asked.jobs)
    try:
        return _try(project, wanted, pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _try(project: Path, mutations: Sequence[Mutation], pool: ThreadPoolExecutor) -> int:
    killed = 0
    # Tests that fail without a mutation would seem to find every mutation.
    tests = sorted({test for one in mutations for test in one.tests.split() if test.endswith(".py")})
    alone = pool.submit(_attempt, project, None, tests)
    attempts = {pool.submit(_attempt, project, one, one.tests.split()): one for one in mutations}
    for n, attempt in enumerate(as_completed(attempts), 1):
        outcome = attempt.result()
        found = outcome.status == _FOUND and outcome.killer != ""  # an error of a fixture does not count
        killed += found
        said = "killed" if found else "SURVIVED" if outcome.status == _DONE else "NOT TRIED"
        _say(f"[{n:2}/{len(mutations)}] {said:9} {outcome.seconds:5.1f} s  {attempts[attempt].harm}")
        _say(f"{'':28}{outcome.killer}" if found else outcome.output)
    if alone.result().status != _DONE:
        _say(alone.result().output, "The same tests fail without a mutation, so nothing is proven.")
        return 1
    _say(f"{killed} of {len(mutations)} killed; the same tests pass without a mutation.")
    return int(killed < len(mutations))


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
