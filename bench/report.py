"""docs/performance.md: the results as tables and plots between markers; what stands outside of them is left alone."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import cold, database, plots, row_security, variants
from bench.events import OPERATIONS

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
FOLDER = DOCUMENT.with_suffix("")
RESULTS = FOLDER / "results.json"
LIBRARIES = """
    chalice msgspec boto3 psycopg2-binary psycopg sqlalchemy fastapi mangum pydantic flask apig-wsgi
    aws-lambda-powertools awslambdaric
""".split()

Result = Mapping[str, Any]


def machine(url: str) -> dict[str, str]:
    """Where and on what a measurement ran."""
    ((server,),) = database.execute(url, "SHOW server_version")
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} CPUs, {(models or [platform.machine()])[0]}, load {os.getloadavg()[0]:.1f}",
        "versions": f"Python {platform.python_version()}, PostgreSQL {server} on a unix socket, fsync off; "
        + ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def save(name: str, result: Result) -> None:
    """Keep a result, in the place of the one before."""
    FOLDER.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**_results(), name: result}, indent=1, ensure_ascii=False) + "\n")


def write() -> None:
    """Put all results that there are into the document, and draw their plots."""
    document = DOCUMENT.read_text()
    for name, result in _results().items():
        plots.draw(name, result, FOLDER / f"{name}.svg")
        begin, end = f"<!-- generated: {name} -->", "<!-- end -->"
        if begin not in document:
            document += f"\n{begin}\n{end}\n"
        before, after = document.split(begin, 1)
        shown = f"{text(name, result)}\n\n{_run(result['run'])}\n\n![{plots.TITLES[name]}](performance/{name}.svg)"
        document = f"{before}{begin}\n{shown}\n{end}{after.split(end, 1)[1]}"
    DOCUMENT.write_text(document)


def text(name: str, result: Result) -> str:
    """A result as tables."""
    return TEXTS[name](result)


def _results() -> dict[str, Result]:
    results: dict[str, Result] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return results


def _run(run: Mapping[str, str]) -> str:
    return f"{run['date']}; {run['machine']}; {run['versions']}."


def _operations(result: Result) -> str:
    ratios = [
        [
            name,
            *(f"{row[each]['ratio']:.2f} ({row[each]['low']:.2f} to {row[each]['high']:.2f})" for each in OPERATIONS),
        ]
        for name, row in result["rows"].items()
    ]
    best = [[name, *(f"{row[each]['best']:.2f}" for each in OPERATIONS)] for name, row in result["rows"].items()]
    times = [[name, *(f"{row[each]['ms']:.3f}" for each in OPERATIONS)] for name, row in result["rows"].items()]
    return (
        f"Ratios to the bare handler in the same round: the median of {result['rounds']} rounds, and the quartiles.\n\n"
        + table(["", *OPERATIONS], ratios)
        + "\n\nThe best round of each, least disturbed by other programs, to the bare handler's:\n\n"
        + table(["", *OPERATIONS], best)
        + "\n\nMedians in milliseconds:\n\n"
        + table(["", *OPERATIONS], times)
    )


def _warm(result: Result) -> str:
    memory = [[name, f"{kb / 1024:.0f} MB"] for name, kb in result["memory_kb"].items()]
    cpu = [
        [name, *(f"{row[each]['ms']:.3f} ({row[each]['ratio']:.2f})" for each in OPERATIONS)]
        for name, row in result.get("cpu", {}).items()
    ]
    parts = [_operations(result)]
    if cpu:
        parts += [
            "CPU of the process a request in milliseconds, without PostgreSQL's: medians, and the ratios to the bare "
            "handler's. A small function pays for it.",
            table(["", *OPERATIONS], cpu),
        ]
    parts += ["The most memory that the process had:", table(["", "memory"], memory)]
    return "\n\n".join(parts)


def _variants(result: Result) -> str:
    parts = [
        f"Medians of {result['rounds']} rounds; CPU is that of the process. The ratios are to other rows in the same "
        "round, with the quartiles, and with that of the best rounds."
    ]
    for operation in variants.OPERATIONS:
        rows = []
        for name, row in result["rows"].items():
            mine, bare = row[operation], result["to_bare"][name][operation]
            rows.append(
                [
                    name,
                    f"{mine['ms']:.3f}",
                    f"{result['cpu'][name][operation]['ms']:.3f}",
                    *(
                        f"{one['ratio']:.2f} ({one['low']:.2f} to {one['high']:.2f}), {one['best']:.2f}"
                        for one in (mine, bare)
                    ),
                ]
            )
        parts += [f"{operation}:", table(["", "ms", "CPU, ms", "to this API", "to the bare handler"], rows)]
    sizes = [[name, f"{plain:,}", f"{packed:,}"] for name, (plain, packed) in result["bytes"].items()]
    parts += ["Bytes of an answer's body:", table(["", "as it is", "compressed (gzip)"], sizes)]
    return "\n\n".join(parts)


def _saturation(result: Result) -> str:
    rows = [
        [
            count,
            f"{row['per_second']:,.0f}",
            f"{row['refused_per_second']:,.1f}",
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            f"{row['slowest_ms']:.0f}",
            ", ".join(map(str, row["statuses"])),
        ]
        for count, row in result["rows"].items()
    ]
    heads = ["API functions", "answers a second", "refusals a second", "p50 ms", "p99 ms", "slowest ms", "statuses"]
    return f"Each row ran {result['seconds']} s.\n\n" + table(heads, rows)


def _row_security(result: Result) -> str:
    without, secured = result["rows"][row_security.WITHOUT], result["rows"][row_security.WITH]
    rows = [
        [
            each,
            f"{without[each]['ms']:.3f}",
            f"{row['ms']:.3f}",
            f"{row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
            f"{row['best']:.2f}",
        ]
        for each, row in secured.items()
    ]
    heads = ["", "without, ms", "row security on, ms", "ratio", "best round"]
    return f"Medians of {result['rounds']} rounds, and the quartiles of the ratio.\n\n" + table(heads, rows)


def _lambda(result: Result) -> str:
    parts = [_operations(result)]
    if "limit" in result:
        limit = result["limit"]
        ratios = [
            f"{limit[each]['ratio']:.2f} ({limit[each]['low']:.2f} to {limit[each]['high']:.2f})" for each in OPERATIONS
        ]
        best = [f"{limit[each]['best']:.2f}" for each in OPERATIONS]
        heads = ["this API, to the limit", *OPERATIONS]
        parts.append(table(heads, [["median and quartiles", *ratios], ["best round", *best]]))
    invoke = [[name, f"{ms:.3f}"] for name, ms in result["invoke"].items()]
    parts.append("An invocation by itself, medians:\n\n" + table(["", "ms"], invoke))
    return "\n\n".join(parts)


def _cold(result: Result) -> str:
    rows = [
        [
            name,
            f"{row['ms']:.1f}",
            f"{row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
            row["of"],
            f"{row['memory_kb'] / 1024:.0f} MB",
        ]
        for name, row in result["rows"].items()
    ]
    sizes = [[name, f"{size / 1e6:.2f}"] for name, size in result["sizes"].items()]
    return (
        f"Medians of {result['rounds']} rounds; a ratio is to its yardstick in the same round, with quartiles.\n\n"
        + table(["", "ms", "ratio", "to", "memory"], rows)
        + "\n\n"
        + table(["what is shipped", "MB"], sizes)
        + "\n\nComputed, not measured: a function's share of a CPU is its memory / 1769 MB.\n"
        + "The requests have 1 ms of CPU and 2 ms of waiting each; a GB-second is USD 0.0000166667 (x86).\n\n"
        + table(["memory", "API's cold start, ms", "executor's, ms", "a million API requests, USD"], _memory(result))
    )


def _memory(result: Result) -> list[list[str]]:
    rows = []
    for memory_mb in (256, 512, 1024, 1769):
        slower = 1769 / memory_mb
        starts = [f"{result['rows'][name]['ms'] * slower:.0f}" for name in (cold.API_DEPLOYED, cold.EXECUTOR)]
        billed_ms = math.ceil(2 + 1 * slower)
        rows.append([f"{memory_mb} MB", *starts, f"{memory_mb / 1024 * billed_ms * 1000 * 0.0000166667:.3f}"])
    return rows


def _growth(result: Result) -> str:
    places = [
        [f"{int(place):,}", f"{ms:.3f}", f"{result['ratios'][place]:.2f}", f"{result['offsets'][place]:.3f}"]
        for place, ms in result["places"].items()
    ]
    sizes = [
        [size, f"{ms:.3f}", f"{result['memory_kb'][size] / 1024:.1f}"] for size, ms in result["page_sizes"].items()
    ]
    parts = [
        "A page of 50 of 1,000,000 orders, by the row it begins at, medians in ms:",
        table(["row", "this API (keyset)", "ratio to the first", "OFFSET, SQL alone"], places),
        "A page by its size:",
        table(["rows", "ms", "the process's memory so far, MB"], sizes),
    ]
    if result["bulks"] is None:
        parts.append("The API takes no arrays yet, so there is no bulk to measure.")
    else:
        bulks = [[size, f"{ms:.3f}", f"{ms / int(size) * 1000:.0f}"] for size, ms in result["bulks"].items()]
        parts += ["One POST of many rows:", table(["rows", "ms", "µs a row"], bulks)]
    return "\n\n".join(parts)


def _load(result: Result) -> str:
    rows = [
        [name, workers, str(row["per_second"]), f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}", str(row["connections"])]
        for name, counts in result["rows"].items()
        for workers, row in counts.items()
    ]
    heads = ["", "workers", "requests a second", "p50 ms", "p99 ms", "connections"]
    mix = "Of ten requests five are GET one, two a list of 50, one each POST, PUT and DELETE. "
    return mix + f"Each row ran {result['seconds']} s.\n\n" + table(heads, rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


TEXTS: dict[str, Callable[[Result], str]] = {
    "warm": _warm,
    "variants": _variants,
    "row-security": _row_security,
    "lambda": _lambda,
    "cold": _cold,
    "growth": _growth,
    "load": _load,
    "saturation": _saturation,
}
