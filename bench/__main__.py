"""`python -m bench`: all measurements and the report, or one of them on the terminal."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from typing import Any

from bench import cold, database, growth, invocations, load, report, row_security, sameness, saturation, variants, warm
from bench.events import EXISTING
from bench.registry import PEERS

# name -> (what it measures, rounds of a full run, the measurement)
MEASUREMENTS = {
    "warm": ("one event to its response in a warm process", 15, warm.run),
    "variants": ("both dialects, 100 tables, embedded rows, kept answers, bytes", 15, variants.run),
    "row-security": ("the same with policies and without", 15, row_security.run),
    "lambda": ("the same through Lambda's real front end, and an invocation by itself", 9, invocations.run),
    "cold": ("a fresh process to its first answer, and sizes", 15, cold.run),
    "growth": ("places and sizes of pages, bulks, memory", 15, growth.run),
    "load": ("many functions at once against one PostgreSQL (rounds: seconds each)", 4, load.run),
    "saturation": ("1, 10 and 100 API functions on 10 executors (rounds: seconds each)", 5, saturation.run),
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog=".venv/bench/bin/python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (what, rounds, _) in MEASUREMENTS.items():
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("--rounds", type=int, default=rounds, help=f"default {rounds}")
        command.add_argument("--save", action="store_true", help="also put the result into docs/performance.md")
    commands.add_parser("all", help="all of them, into docs/performance.md; about 10 minutes")
    commands.add_parser("check", help="only whether all peers answer the same")
    commands.add_parser("report", help="write docs/performance.md again from the last results")
    options = parser.parse_args()
    if options.command == "report":
        report.write()
        return
    with database.running() as url:
        if options.command == "check":
            with warm.workers(url, PEERS) as handlers:
                print(f"{sameness.check(handlers)} answers are the same")
            return
        whole = options.command == "all"
        for name in MEASUREMENTS if whole else [options.command]:
            result = _measured(url, name, MEASUREMENTS[name][1] if whole else options.rounds)
            print(report.text(name, result))
            if whole or options.save:
                report.save(name, result)
    if whole or options.save:
        report.write()


def _measured(url: str, name: str, rounds: int) -> Mapping[str, Any]:
    def say(what: str) -> None:
        print(f"{name}: {what}", file=sys.stderr, flush=True)

    database.fill(url, EXISTING)
    started = time.monotonic()
    result: dict[str, Any] = MEASUREMENTS[name][2](url, rounds, say)
    say(f"took {time.monotonic() - started:.0f} s")
    return {**result, "run": report.machine(url)}


main()
