"""How the API's time and memory grow: with the place of a page, with its size, and with the rows of one POST."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg2

from bench import database
from bench.events import CUSTOMERS, EXISTING, event
from bench.registry import OURS
from bench.warm import rotated
from bench.worker import Worker

ORDERS = 1_000_000
PLACES = (1, 1_000, 900_000)
PAGE_SIZES = (1, 10, 50, 100, 250, 500, 1000)
BULKS = (1, 10, 100, 1000)
CREATED, TOO_LARGE = 201, 400

# The same page by its number of rows instead of by its key, PostgreSQL building the JSON as it does for us.
BY_OFFSET = """SELECT string_agg(row_to_json(page)::text, ',') FROM (
                 SELECT order_id, customer_id, total_amount, status, created_at, updated_at
                 FROM demo.orders ORDER BY order_id LIMIT 51 OFFSET %s) AS page"""


def run(url: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Medians in ms: {"places", "offsets", "page_sizes", "bulks"}, and {"memory_kb"} after pages of each size.

    {"ratios"} of the places are to the first in the same round.
    """
    database.fill(url, ORDERS)
    say(f"{ORDERS} orders are there")
    with closing(Worker(OURS.module, url, **OURS.environment)) as api:
        cursors = _cursors(api)
        say("walked to the pages")
        places: dict[int, list[float]] = {place: [] for place in PLACES}
        offsets: dict[int, list[float]] = {place: [] for place in PLACES}
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            for number in range(rounds):
                for place in rotated(PLACES, number):
                    query = urlencode({"limit": 50, **cursors[place]})
                    places[place].append(_median(api, event("GET", query=query), 40))
                    started = time.perf_counter()
                    cursor.execute(BY_OFFSET, (place - 1,))
                    cursor.fetchall()
                    offsets[place].append(time.perf_counter() - started)
    say("measured the pages' places")
    database.fill(url, EXISTING)
    sizes, memory = _page_sizes(url, rounds)
    return {
        "rounds": rounds,
        "places": _medians(places),
        "ratios": {str(place): _ratio(taken, places[PLACES[0]]) for place, taken in places.items()},
        "offsets": _medians(offsets),
        "page_sizes": sizes,
        "memory_kb": memory,
        "bulks": _bulks(url, rounds),
    }


def _cursors(api: Worker) -> dict[int, dict[str, str]]:
    """The parameters with which the page begins at each place, found as a client finds them: link by link."""
    found: dict[int, dict[str, str]] = {}
    at, parameters = 1, {"limit": "1000"}
    while True:
        # A place that is within the next thousand rows is reached by a shorter page.
        for place in PLACES:
            if at == place:
                found[place] = {name: value for name, value in parameters.items() if name == "cursor"}
        ahead = [place for place in PLACES if place > at]
        if not ahead:
            return found
        step = min(1000, ahead[0] - at)
        answer = api(event("GET", query=urlencode({**parameters, "limit": str(step)})))
        parameters = dict(parse_qsl(urlsplit(json.loads(answer["body"])["next"]).query))
        at += step


def _page_sizes(url: str, rounds: int) -> tuple[dict[str, float], dict[str, int]]:
    times: dict[int, list[float]] = {size: [] for size in PAGE_SIZES}
    memory: dict[str, int] = {}
    with closing(Worker(OURS.module, url, **OURS.environment)) as api:
        for _ in range(rounds):
            for size in PAGE_SIZES:
                times[size].append(_median(api, event("GET", query=f"limit={size}"), 20))
                memory.setdefault(str(size), api.memory_kb())
    return _medians(times), memory


def _bulks(url: str, rounds: int) -> dict[str, float] | None:
    """Medians of a POST of so many rows; None while the API takes no arrays."""
    times: dict[int, list[float]] = {size: [] for size in BULKS}
    with closing(Worker(OURS.module, url, **OURS.environment)) as api:
        if _posted(api, 1, "detect")[1] != CREATED:
            return None
        for number in range(rounds):
            for size in BULKS:
                taken = [_posted(api, size, f"{number}-{again}-{size}")[0] for again in range(3)]
                times[size].append(statistics.median(taken))
            database.execute(url, "DELETE FROM demo.orders WHERE order_id LIKE 'B-%'")
            database.tidy(url)
    return _medians(times)


def _posted(api: Worker, size: int, prefix: str) -> tuple[float, int]:
    rows = [
        {"order_id": f"B-{prefix}-{n}", "customer_id": f"C{n % CUSTOMERS:04}", "total_amount": 12.5}
        for n in range(size)
    ]
    seconds, status = api.time_one(event("POST", body=rows))
    return seconds, status


def _median(api: Worker, one: Mapping[str, Any], count: int) -> float:
    times = []
    for _ in range(count):
        seconds, status = api.time_one(one)
        if status >= TOO_LARGE:
            raise RuntimeError(f"{one['path']} {one['queryStringParameters']} answers {status}")
        times.append(seconds)
    return statistics.median(times)


def _ratio(times: Sequence[float], first: Sequence[float]) -> float:
    return round(statistics.median(mine / its for mine, its in zip(times, first, strict=True)), 3)


def _medians(times: Mapping[int, list[float]]) -> dict[str, float]:
    return {str(name): round(statistics.median(taken) * 1000, 3) for name, taken in times.items()}
