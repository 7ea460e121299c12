"""A plot each result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

from bench.events import OPERATIONS
from bench.registry import OURS

TITLES = {
    "warm": "Warm: times the bare handler",
    "variants": "This API: milliseconds a request",
    "row-security": "Row security: milliseconds with policies and without",
    "lambda": "Through Lambda's front end: milliseconds a request",
    "cold": "Cold start: milliseconds to the first answer",
    "growth": "A page of 50 by the row it begins at, and a page by its size",
    "load": "Requests a second by the number of workers",
    "saturation": "Answers a second of 10 executors, by the number of API functions",
}
mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9})  # the same result, the same file


def draw(name: str, result: Mapping[str, Any], path: Path) -> None:
    """Draw the plot of a result into an SVG file."""
    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    axes.set_title(TITLES[name])
    axes.spines[["top", "right"]].set_visible(False)
    DRAWN[name](axes, result)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _bars(axes: Any, rows: Mapping[str, Mapping[str, Mapping[str, float]]], what: str) -> None:
    width = 0.85 / len(rows)
    for n, (name, row) in enumerate(rows.items()):
        places = [at + n * width for at in range(len(OPERATIONS))]
        bars = axes.bar(
            places, [row[each][what] for each in OPERATIONS], width, label=name, edgecolor="black", linewidth=0.2
        )
        if name == OURS.name:
            axes.bar_label(bars, fmt="%.2f", fontsize=7, padding=1)
    axes.set_xticks([at + 0.85 / 2 - width / 2 for at in range(len(OPERATIONS))], OPERATIONS)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(fontsize=7, ncols=2)


def _warm(axes: Any, result: Mapping[str, Any]) -> None:
    _bars(axes, result["rows"], "ratio")
    axes.axhline(1, color="black", linewidth=0.8)


def _variants(axes: Any, result: Mapping[str, Any]) -> None:
    rows = result["rows"]
    width = 0.85 / len(rows)
    for n, (name, row) in enumerate(rows.items()):
        axes.bar([at + n * width for at in range(len(row))], [one["ms"] for one in row.values()], width, label=name)
        axes.set_xticks([at + 0.4 for at in range(len(row))], list(row))
    axes.legend(fontsize=7)


def _row_security(axes: Any, result: Mapping[str, Any]) -> None:
    rows = result["rows"]
    for n, (name, row) in enumerate(rows.items()):
        bars = axes.bar([at + n * 0.4 for at in range(len(row))], [one["ms"] for one in row.values()], 0.4, label=name)
        axes.bar_label(bars, fmt="%.3f", padding=1)
        axes.set_xticks([at + 0.2 for at in range(len(row))], list(row))
    axes.legend(fontsize=8)


def _lambda(axes: Any, result: Mapping[str, Any]) -> None:
    _bars(axes, result["rows"], "ms")


def _cold(axes: Any, result: Mapping[str, Any]) -> None:
    rows = result["rows"]
    bars = axes.barh(list(rows), [row["ms"] for row in rows.values()], color="#4878a8")
    axes.bar_label(bars, fmt="%.0f", padding=2)
    axes.invert_yaxis()


def _growth(axes: Any, result: Mapping[str, Any]) -> None:
    for label, name in (("this API, by the row", "places"), ("OFFSET, SQL alone, by the row", "offsets")):
        axes.plot([int(at) for at in result[name]], list(result[name].values()), "o-", label=label)
    sizes = result["page_sizes"]
    axes.plot([int(at) for at in sizes], list(sizes.values()), "s--", label="this API, by the page's size")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("ms")
    axes.legend(fontsize=8)


def _load(axes: Any, result: Mapping[str, Any]) -> None:
    for name, counts in result["rows"].items():
        axes.plot([int(at) for at in counts], [row["per_second"] for row in counts.values()], "o-", label=name)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0)
    axes.legend(fontsize=8)


def _saturation(axes: Any, result: Mapping[str, Any]) -> None:
    rows = result["rows"]
    for label, what in (("answers", "per_second"), ("refusals (503 with Retry-After)", "refused_per_second")):
        axes.plot([int(at) for at in rows], [row[what] for row in rows.values()], "o-", label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0)
    axes.legend(fontsize=8)


DRAWN: dict[str, Callable[[Any, Mapping[str, Any]], None]] = {
    "warm": _warm,
    "variants": _variants,
    "row-security": _row_security,
    "lambda": _lambda,
    "cold": _cold,
    "growth": _growth,
    "load": _load,
    "saturation": _saturation,
}
