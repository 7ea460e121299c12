"""Answers that an instance keeps: never older than declared, never another caller's, never from before an own change.

The model knows every state that the database had, and when. It sends random requests of three callers to two instances,
and an answer has to be that of a state which it may be. A trigger and a cascade change tables that a request does not
name. The clock is the test's own.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from msgspec import Struct

from crud_api.application import create_app
from crud_api.executor.seam import InProcessExecutor
from crud_api.resource import Computed, Reference, Resource
from crud_api.resource.columns.time import Timestamp
from crud_api.resource.functions import Function, Functions
from query_executor.contract import Failure, Reply, Request
from query_executor.handler import create_local_handler
from query_executor.migrate import apply_migrations
from tests.conftest import execute as run_sql
from tests.functional.callers import CALLERS, OWNER
from tests.gateway_events import event

BOXES_AGE, ITEMS_AGE = 60, 20  # seconds
# A trigger on items counts them in their box, and the items of a box go with it.
SCHEMA = f"""
    CREATE TABLE demo.boxes (
        id int PRIMARY KEY, label text NOT NULL, items int NOT NULL DEFAULT 0, owner text NOT NULL DEFAULT {OWNER}
    );
    CREATE TABLE demo.things (
        id int PRIMARY KEY, label text NOT NULL, box_id int NOT NULL REFERENCES demo.boxes ON DELETE CASCADE,
        owner text NOT NULL DEFAULT {OWNER}
    );
    CREATE FUNCTION demo.count_items() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE demo.boxes SET items = (SELECT count(*) FROM demo.things WHERE box_id = boxes.id)
        WHERE id IN (OLD.box_id, NEW.box_id);
        RETURN NULL;
    END $$;
    CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE ON demo.things
        FOR EACH ROW EXECUTE FUNCTION demo.count_items();
    ALTER TABLE demo.boxes ENABLE ROW LEVEL SECURITY;
    ALTER TABLE demo.things ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON demo.boxes USING (owner = {OWNER});
    CREATE POLICY own ON demo.things USING (owner = {OWNER});
"""


class Box(Struct):
    id: int
    label: str
    items: int = 0


class Thing(Struct):
    id: int
    label: str
    box_id: int


BOXES = Resource(name="boxes", table="demo.boxes", model=Box, key="id", max_age_s=BOXES_AGE)
THINGS = Resource(
    name="things",
    table="demo.things",
    model=Thing,
    key="id",
    references={"box_id": Reference(resource="boxes", name="box", reverse="things")},
    max_age_s=ITEMS_AGE,
)


class Hour(Struct):
    id: int
    at: Timestamp


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def age(self) -> int | None:
        return int(self.headers["age"]) if "age" in self.headers else None


class Instance:
    """One instance of the API. It counts what it asks the executor."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        resources: tuple[Resource, ...] = (BOXES, THINGS),
        functions: Functions | None = None,
    ) -> None:
        self.asked = 0
        self._execute = InProcessExecutor(create_local_handler(url))
        self._app = create_app(
            self._counted, resources, functions=functions or Functions(), access="cognito", now=lambda: clock.now
        )
        self.newest_change = 0  # the first state that it may still answer with

    def _counted(self, request: Request) -> Reply | Failure:
        self.asked += 1
        return self._execute(request)

    def __call__(
        self, caller: str, method: str, path: str, query: str = "", body: object = None, /, **headers: str
    ) -> Answer:
        _, table, *more = path.removeprefix("/rest/v1").split("/")
        route, parameters = f"/{table}", {}
        if path.startswith("/rest/v1/rpc"):
            route, parameters = "/rest/v1/rpc/{function}", {"function": more[0]}
        elif path.startswith("/rest/v1"):
            route, parameters = "/rest/v1/{table}", {"table": table}
        elif more:
            key = {"boxes": BOXES, "things": THINGS}[table].key_parameter
            route, parameters = f"/{table}/{{{key}}}{''.join(f'/{part}' for part in more[1:])}", {key: more[0]}
        pairs = [pair.split("=", 1) for pair in query.split("&") if pair]
        sent = event(
            method, path, resource=route, path_parameters=parameters,
            query={name: [text] for name, text in pairs},
            headers={name.replace("_", "-"): [text] for name, text in headers.items()},
            body=None if body is None else json.dumps(body),
        )  # fmt: skip
        sub, _, groups = caller.partition("/")
        sent["requestContext"]["authorizer"] = {"claims": {"sub": sub, "cognito:groups": groups}}
        answer = self._app(sent, None)
        return Answer(
            answer["statusCode"], {name.lower(): text for name, text in answer["headers"].items()}, answer["body"]
        )


class Clock:
    now = 1_000_000.0


class State(NamedTuple):
    """What the database had from `since` on, by the id of the row."""

    since: float
    boxes: Mapping[int, tuple[str, str, int]]  # owner, label, items
    things: Mapping[int, tuple[str, str, int]]  # owner, label, box


@pytest.fixture
def database(database_url: str) -> Iterator[tuple[str, str]]:
    """The URLs of the superuser, and of a user to whom row security applies."""
    apply_migrations(database_url)
    user = f"caller_{uuid.uuid4().hex}"
    run_sql(database_url, SCHEMA)
    run_sql(database_url, f"CREATE ROLE {user} LOGIN IN ROLE crud_api")
    run_sql(database_url, "GRANT SELECT, INSERT, UPDATE, DELETE ON demo.boxes, demo.things TO crud_api")
    yield database_url, database_url.replace("postgres@", f"{user}@", 1)
    run_sql(database_url, f"DROP OWNED BY {user}; DROP ROLE {user}")


class World:
    """The states that the database had, and the requests of the callers."""

    def __init__(self, url: str, served: str, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.clock = Clock()
        self._url = url
        self.instances = [Instance(served, self.clock) for _ in range(2)]
        for caller in CALLERS:
            run_sql(url, f"INSERT INTO demo.boxes SELECT n, 'of-{caller}', 0, '{caller}' FROM generate_series("
                    f"{CALLERS.index(caller) + 1}, 12, 3) AS n")  # fmt: skip
        run_sql(url, "INSERT INTO demo.things SELECT id + 100, label, id, owner FROM demo.boxes")
        self.states: list[State] = []
        self.seen = {"kept": 0, "old": 0, "not modified": 0}
        self._etags: dict[tuple[str, ...], str] = {}
        self._number = 200
        self._last: tuple[str, Instance, str, str, int, int] | None = None
        self._note()

    def _note(self) -> None:
        boxes = run_sql(self._url, "SELECT id, owner, label, items FROM demo.boxes")
        things = run_sql(self._url, "SELECT id, owner, label, box_id FROM demo.things")
        self.states.append(
            State(
                self.clock.now,
                {id_: (owner, label, items) for id_, owner, label, items in boxes},
                {id_: (owner, label, box) for id_, owner, label, box in things},
            )
        )

    def step(self) -> None:
        self.clock.now += self.random.choice([0, 0, 0.25, 1, 3, 7])
        caller, instance = self.random.choice(CALLERS), self.random.choice(self.instances)
        what = self.random.random()
        if what < 0.78:
            self._read(caller, instance)
        elif what < 0.86:
            self._change(caller, instance)
        else:  # another program, of which no instance knows
            self._number += 1
            run_sql(
                self._url,
                f"UPDATE demo.boxes SET label = 'of-' || owner || '-{self._number}' WHERE id = {self._box()}",
            )
            self._note()

    def _target(self) -> tuple[str, str, int, int]:
        """A path and a query, the age that an answer to them may have, and the box of the path."""
        key = self._box()
        return *self.random.choice([
            ("/boxes", "", BOXES_AGE), ("/boxes", "limit=1000", BOXES_AGE), (f"/boxes/{key}", "", BOXES_AGE),
            ("/things", "", ITEMS_AGE), ("/boxes", "expand=things", ITEMS_AGE), ("/things", "expand=box", ITEMS_AGE),
            (f"/boxes/{key}/things", "", ITEMS_AGE), ("/rest/v1/boxes", "order=id", BOXES_AGE),
            ("/rest/v1/boxes", "select=*,things(*)&order=id&things.order=id", ITEMS_AGE),
            ("/rest/v1/boxes", "select=*,things()&things=not.is.null&order=id", ITEMS_AGE),
        ]), key  # fmt: skip

    def _box(self) -> int:
        return self.random.choice([*self.states[-1].boxes, 999])

    def _change(self, caller: str, instance: Instance) -> None:
        self._number += 1
        label, key = f"of-{caller}-{self._number}", self._box()
        match self.random.choices(range(5), [4, 4, 4, 4, 1])[0]:
            case 0:
                instance(caller, "PATCH", f"/boxes/{key}", "", {"label": label})
            case 1:
                instance(caller, "POST", "/things", "", {"id": self._number, "label": label, "box_id": key})
            case 2:
                things = [*self.states[-1].things, 999]
                instance(caller, "DELETE", f"/things/{self.random.choice(things)}")
            case 3:
                rows = [{"id": self._number, "label": label, "box_id": key}]
                instance(caller, "POST", "/things:batch", "", rows)
            case _:
                instance(caller, "DELETE", f"/boxes/{key}")  # with its things
                instance(caller, "POST", "/boxes", "", {"id": self._number, "label": label})
        self._note()
        instance.newest_change = len(self.states) - 1

    def _read(self, caller: str, instance: Instance) -> None:
        if self._last is not None and self.random.random() < 0.6:  # as a person does who looks again
            caller, instance, path, query, age, key = self._last
        else:
            path, query, age, key = self._target()
        self._last = caller, instance, path, query, age, key
        same = (caller, path, query)
        headers = {}
        if same in self._etags and self.random.random() < 0.4:
            headers["If_None_Match"] = self._etags[same]
        wants = self.random.choice([None, None, None, "no-cache", "max-age=0", "max-age=5", "min-fresh=5", "no-store"])
        if wants is not None:
            headers["Cache_Control"] = wants
        asked = instance.asked
        answer = instance(caller, "GET", path, query, **headers)
        said = (caller, path, query, wants, answer)
        if answer.status == 404:
            assert (answer.headers["cache-control"], answer.age) == ("private, no-cache", None), said
            assert instance.asked == asked + 1, said
            assert f"/{key}" in path, said
            assert self.states[-1].boxes.get(key, ("",))[0] != caller, said
            return
        assert answer.headers["cache-control"] == f"private, max-age={age}", said
        assert (answer.age is None) == (instance.asked == asked + 1), said
        most = {"no-cache": 0, "no-store": 0, "max-age=0": 0, "max-age=5": 5, "min-fresh=5": age - 5}.get(
            wants or "", age
        )
        assert answer.age is None or answer.age <= most, said
        assert answer.age is None or most > 0, said
        # The states that the answer may be of: it was true not longer ago than it says, and after the own changes.
        since = self.clock.now - (answer.age or 0)
        possible = [
            state
            for n, state in enumerate(self.states)
            if n >= instance.newest_change
            and (n == len(self.states) - 1 or (answer.age is not None and self.states[n + 1].since >= since))
        ]
        expected = [self._expected(caller, path, query, key, state) for state in possible]
        if answer.status == 304:
            assert answer.headers["etag"] == self._etags[same], said
            self.seen["not modified"] += 1
        else:
            assert answer.status == 200, said
            assert self._rows(answer) in expected, (said, expected)
            for other in CALLERS:
                assert other == caller or f"of-{other}" not in answer.body, said
            if "etag" in answer.headers:
                self._etags[same] = answer.headers["etag"]
            if self._rows(answer) != self._expected(caller, path, query, key, self.states[-1]):
                self.seen["old"] += 1
        self.seen["kept"] += answer.age is not None

    @staticmethod
    def _rows(answer: Answer) -> list[Any]:
        told = json.loads(answer.body)
        rows = told if isinstance(told, list) else told.get("items", told)
        return rows if isinstance(rows, list) else [told]

    def _expected(self, caller: str, path: str, query: str, key: int, state: State) -> list[Any]:
        def box(id_: int) -> dict[str, Any]:
            _, label, items = state.boxes[id_]
            return {"id": id_, "label": label, "items": items}

        def thing(id_: int) -> dict[str, Any]:
            _, label, box_id = state.things[id_]
            return {"id": id_, "label": label, "box_id": box_id}

        boxes = [id_ for id_, (owner, *_) in sorted(state.boxes.items()) if owner == caller]
        things = [id_ for id_, (owner, *_) in sorted(state.things.items()) if owner == caller]
        if path == "/things":
            within = {id_: box(id_) for id_ in boxes}
            return [
                thing(id_) | ({"box": within.get(state.things[id_][2])} if "expand" in query else {}) for id_ in things
            ]
        if path.endswith("/things"):
            return [thing(id_) for id_ in things if state.things[id_][2] == key]
        if path == f"/boxes/{key}":
            return [box(id_) for id_ in boxes if id_ == key]
        if "not.is.null" in query:
            return [box(id_) for id_ in boxes if any(state.things[one][2] == id_ for one in things)]
        embeds = "things" in query
        return [
            box(id_) | ({"things": [thing(one) for one in things if state.things[one][2] == id_]} if embeds else {})
            for id_ in boxes
        ]


@pytest.mark.parametrize("seed", range(3))
def test_no_answer_is_older_than_declared_nor_another_callers_nor_from_before_an_own_change(
    database: tuple[str, str], seed: int
) -> None:
    world = World(*database, seed)
    for _ in range(700):
        world.step()
    assert all(number > 4 for number in world.seen.values()), world.seen  # the model met what it is about


@pytest.fixture
def one(database: tuple[str, str]) -> tuple[Instance, Clock, str]:
    """An instance, its clock, and the URL of the superuser. Each caller has a box with a thing."""
    url, served = database
    for n, caller in enumerate(CALLERS, 1):
        run_sql(url, f"INSERT INTO demo.boxes VALUES ({n}, 'of-{caller}', 0, '{caller}')")
        run_sql(url, f"INSERT INTO demo.things VALUES ({n}, 'in-{caller}', {n}, '{caller}')")
    clock = Clock()
    return Instance(served, clock), clock, url


@pytest.mark.parametrize("path", ["/boxes", "/boxes/1", "/rest/v1/boxes"])
def test_a_kept_answer_says_its_age_and_ends_with_it(one: tuple[Instance, Clock, str], path: str) -> None:
    instance, clock, _ = one
    first = instance("ada", "GET", path)
    assert (first.status, first.headers["cache-control"], first.age) == (200, f"private, max-age={BOXES_AGE}", None)
    clock.now += 2.25
    again = instance("ada", "GET", path)
    assert (again.body, again.age, instance.asked) == (first.body, 3, 1)
    clock.now += BOXES_AGE - 2.5
    assert instance("ada", "GET", path).age == BOXES_AGE
    clock.now += 0.25
    assert (instance("ada", "GET", path).age, instance.asked) == (None, 2)
    clock.now -= 10  # somebody set the clock
    assert (instance("ada", "GET", path).age, instance.asked) == (None, 3)


def test_a_caller_with_other_claims_asks_the_database(one: tuple[Instance, Clock, str]) -> None:
    instance, _, _ = one
    for caller in ("ada/staff", "ada/admins", "bob/staff", "ada"):
        asked = instance.asked
        first, again = (instance(caller, "GET", "/boxes") for _ in range(2))
        assert (first.age, again.age, instance.asked) == (None, 0, asked + 1), caller


def test_a_browser_gives_an_answer_to_no_other_credential_and_no_other_form(one: tuple[Instance, Clock, str]) -> None:
    instance, _, _ = one
    for path in ("/boxes", "/rest/v1/boxes"):
        vary = {name.strip().lower() for name in instance("ada", "GET", path).headers["vary"].split(",")}
        assert vary >= {"authorization", "x-api-key", "accept", "prefer", "range"}


def test_each_form_of_an_answer_is_made_of_its_own_request(one: tuple[Instance, Clock, str]) -> None:
    instance, _, _ = one
    assert json.loads(instance("ada", "GET", "/rest/v1/boxes").body)[0]["id"] == 1
    assert instance("ada", "GET", "/rest/v1/boxes", "", None, Accept="text/csv").body == "id,label,items\n1,of-ada,1"
    single = {"Accept": "application/vnd.pgrst.object+json"}
    assert json.loads(instance("ada", "GET", "/rest/v1/boxes", "", None, **single).body)["id"] == 1
    counted = instance("ada", "GET", "/rest/v1/boxes", "", None, Prefer="count=exact")
    assert counted.headers["content-range"] == "0-0/1"
    assert "count" in json.loads(instance("ada", "GET", "/boxes", "", None, Prefer="count=exact").body)
    assert "count" not in json.loads(instance("ada", "GET", "/boxes").body)


def test_a_client_that_has_the_kept_answer_gets_304_with_the_same_age(one: tuple[Instance, Clock, str]) -> None:
    instance, clock, _ = one
    for path in ("/boxes", "/boxes/1"):
        etag = instance("ada", "GET", path).headers["etag"]
        asked = instance.asked
        clock.now += 5
        answer = instance("ada", "GET", path, "", None, If_None_Match=etag)
        assert (answer.status, answer.body, answer.age, instance.asked) == (304, "", 5, asked)
        assert answer.headers["cache-control"] == f"private, max-age={BOXES_AGE}"


@pytest.mark.parametrize(
    ("cache_control", "is_kept"),
    [
        ("no-cache", False), ("max-age=0", False), ("No-Cache, max-age=60", False), ('max-age="0"', False),
        ("max-age=5", False), ("max-age=6", True), ("max-age=x", False), ("max-age=" + "9" * 5000, True),
        ("max-age=-1", False), ("min-fresh=55", False), ("min-fresh=54", True), ("no-store", False),
        ("max-stale=9", True), ("only-if-cached", True), ("", True), (" , ,", True), ("max-age=٣", False),
    ],
)  # fmt: skip
def test_the_client_says_how_old_an_answer_it_takes(
    one: tuple[Instance, Clock, str], cache_control: str, is_kept: bool
) -> None:
    instance, clock, _ = one
    instance("ada", "GET", "/boxes")
    clock.now += 5.5
    assert (instance("ada", "GET", "/boxes", "", None, Cache_Control=cache_control).age is not None) == is_kept


def test_an_answer_that_must_not_be_stored_is_not_kept(one: tuple[Instance, Clock, str]) -> None:
    instance, _, _ = one
    assert instance("ada", "GET", "/boxes", "", None, Cache_Control="no-store").age is None
    assert (instance("ada", "GET", "/boxes").age, instance.asked) == (None, 2)


def test_a_new_answer_takes_the_place_of_a_kept_one(one: tuple[Instance, Clock, str]) -> None:
    instance, clock, url = one
    instance("ada", "GET", "/boxes/1")
    run_sql(url, "UPDATE demo.boxes SET label = 'of-ada-new' WHERE id = 1")
    assert "new" not in instance("ada", "GET", "/boxes/1").body
    assert "new" in instance("ada", "GET", "/boxes/1", "", None, Cache_Control="no-cache").body
    clock.now += 1
    again = instance("ada", "GET", "/boxes/1")
    assert ("new" in again.body, again.age) == (True, 1)


def test_only_answers_of_get_that_are_no_errors_are_kept(one: tuple[Instance, Clock, str]) -> None:
    instance, _, _ = one
    for method, path, query, status in (
        ("GET", "/boxes/2", "", 404), ("GET", "/boxes/2/things", "", 404), ("HEAD", "/boxes", "", 200),
        ("GET", "/rest/v1/boxes", "offset=9", 200), ("GET", "/rest/v1/boxes", "nothing=eq.1", 400),
    ):  # fmt: skip
        prefer = {"Prefer": "count=exact"} if "offset" in query else {}
        for _ in range(2):
            asked = instance.asked
            answer = instance("ada", method, path, query, None, **prefer)
            assert answer.age is None
            assert answer.status == status or (query == "offset=9" and answer.status == 416)
            assert instance.asked == asked + (status != 400)
    part = {"Prefer": "count=exact"}
    run = [instance("ada", "GET", "/rest/v1/things", "limit=0", None, **part) for _ in range(2)]
    assert [(each.status, each.headers["cache-control"]) for each in run] == [(206, "private, no-cache")] * 2
    assert instance("ada", "HEAD", "/boxes").headers["cache-control"] == f"private, max-age={BOXES_AGE}"


def test_a_read_is_as_fresh_as_the_strictest_of_its_tables(database: tuple[str, str]) -> None:
    strict = Resource(name="boxes", table="demo.boxes", model=Box, key="id")
    instance = Instance(database[1], Clock(), (strict, THINGS))
    for path, query, told in (
        ("/things", "", f"private, max-age={ITEMS_AGE}"), ("/things", "expand=box", "private, no-cache"),
        ("/boxes", "expand=things", "private, no-cache"),
        ("/rest/v1/things", "select=*,boxes(*)", "private, no-cache"),
        ("/rest/v1/things", "select=*,...boxes(label)", "private, no-cache"),
        ("/rest/v1/things", "select=*,boxes()&boxes=is.null", "private, no-cache"),
        ("/rest/v1/things", "select=*,boxes!inner()", "private, no-cache"),
        ("/rest/v1/things", "select=*,boxes()&or=(boxes.is.null,id.eq.1)", "private, no-cache"),
        ("/rest/v1/things", "select=*,boxes(label)&order=boxes(label)", "private, no-cache"),
        ("/rest/v1/things", "order=id&limit=3", f"private, max-age={ITEMS_AGE}"),
    ):  # fmt: skip
        for _ in range(2):
            answer = instance("ada", "GET", path, query)
            assert (answer.status, answer.headers["cache-control"]) == (200, told), (path, query, answer)


REMARKED = """
    CREATE TABLE demo.remarks (box_id int, words text);
    INSERT INTO demo.remarks VALUES (1, 'first');
    CREATE TABLE demo.lendings (box_id int, thing_id int);
    CREATE FUNCTION demo.remark(demo.boxes) RETURNS text STABLE LANGUAGE sql
        AS 'SELECT words FROM demo.remarks WHERE box_id = $1.id';
    CREATE FUNCTION demo.lent(demo.boxes) RETURNS SETOF demo.things STABLE LANGUAGE sql
        AS 'SELECT things.* FROM demo.things JOIN demo.lendings ON thing_id = id WHERE lendings.box_id = $1.id';
    GRANT SELECT ON demo.remarks, demo.lendings TO crud_api;
"""


def test_what_a_function_makes_of_a_row_is_never_kept(
    one: tuple[Instance, Clock, str], database: tuple[str, str]
) -> None:
    run_sql(database[0], REMARKED)
    remarked = Resource(
        name="boxes", table="demo.boxes", model=Box, key="id", max_age_s=BOXES_AGE,
        computed={
            "remark": Computed(function="demo.remark"),
            "lent": Computed(function="demo.lent", resource="things", many=True),
        },
    )  # fmt: skip
    instance = Instance(database[1], Clock(), (remarked, THINGS))
    for table, query in (
        ("boxes", "select=remark"), ("boxes", "select=id&remark=eq.first"), ("boxes", "order=remark"),
        ("boxes", "or=(id.eq.7,and(id.eq.1,remark.eq.first))"), ("boxes", "select=*,lent(id)"),
        ("boxes", "select=*,lent!inner()"), ("boxes", "select=*,lent()&lent=is.null"),
        ("boxes", "select=...lent(names:label)"), ("things", "select=*,boxes(remark)"),
        ("things", "select=*,boxes!inner()&boxes.remark=eq.first"),
        ("things", "select=*,boxes(id)&order=boxes(remark)"),
    ):  # fmt: skip
        for _ in range(2):
            asked = instance.asked
            answer = instance("ada", "GET", f"/rest/v1/{table}", query)
            told = (answer.status, answer.headers["cache-control"], instance.asked)
            assert told == (200, "private, no-cache", asked + 1), (table, query, answer)
    for table, query, age in (("boxes", "order=id", BOXES_AGE), ("things", "select=*,boxes(id)", ITEMS_AGE)):
        answer = instance("ada", "GET", f"/rest/v1/{table}", query)
        assert answer.headers["cache-control"] == f"private, max-age={age}"


def test_a_view_has_an_age_of_its_own(one: tuple[Instance, Clock, str], database: tuple[str, str]) -> None:
    run_sql(
        database[0],
        "CREATE VIEW demo.seen_things WITH (security_invoker = true) AS SELECT id, label, box_id FROM demo.things;"
        "GRANT SELECT ON demo.seen_things TO crud_api",
    )
    seen = Resource(
        name="seen", table="demo.seen_things", model=Thing, key="id", changes=(), max_age_s=5,
        shows={"id": "demo.things.id", "box_id": "demo.things.box_id"},
    )  # fmt: skip
    instance = Instance(database[1], Clock(), (BOXES, THINGS, seen))
    for table, query, age in (
        ("seen", "", 5), ("boxes", "select=*,seen(id)", 5), ("seen", "select=*,boxes(label)", 5),
        ("things", "", ITEMS_AGE),
    ):  # fmt: skip
        answer = instance("ada", "GET", f"/rest/v1/{table}", query)
        assert (answer.status, answer.headers["cache-control"]) == (200, f"private, max-age={age}"), answer
    strict = Resource(
        name="seen", table="demo.seen_things", model=Thing, key="id", changes=(), shows={"box_id": "demo.things.box_id"}
    )
    answer = Instance(database[1], Clock(), (BOXES, THINGS, strict))(
        "ada", "GET", "/rest/v1/boxes", "select=*,seen(id)"
    )
    assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-cache")


def test_the_answer_of_a_function_is_never_kept(one: tuple[Instance, Clock, str], database: tuple[str, str]) -> None:
    run_sql(
        database[0],
        "CREATE FUNCTION demo.all_boxes() RETURNS SETOF demo.boxes STABLE LANGUAGE sql AS 'SELECT * FROM demo.boxes'",
    )
    every = Function(name="all_boxes", function="demo.all_boxes", gives="rows", of="boxes", volatility="stable")
    instance = Instance(database[1], Clock(), functions=Functions(every))
    for number in (1, 2):
        answer = instance("ada", "GET", "/rest/v1/rpc/all_boxes")
        assert (answer.status, answer.age, instance.asked) == (200, None, number), answer
        assert answer.headers["cache-control"] == "private, no-cache"


def test_an_answer_is_kept_for_its_time_zone_and_its_schema(
    one: tuple[Instance, Clock, str], database: tuple[str, str]
) -> None:
    run_sql(
        database[0],
        "CREATE SCHEMA attic; CREATE TABLE attic.hours (id int PRIMARY KEY, at timestamptz);"
        "CREATE TABLE demo.hours (id int PRIMARY KEY, at timestamptz);"
        "INSERT INTO attic.hours VALUES (1, '2026-01-01T12:00Z');"
        "INSERT INTO demo.hours VALUES (1, '2026-06-01T12:00Z');"
        "GRANT USAGE ON SCHEMA attic TO crud_api; GRANT SELECT ON attic.hours, demo.hours TO crud_api",
    )
    here = Resource(name="hours", table="demo.hours", model=Hour, key="id", max_age_s=60)
    there = Resource(name="attic_hours", table="attic.hours", model=Hour, key="id", max_age_s=60)
    instance = Instance(database[1], Clock(), (here, there))
    wishes: list[tuple[dict[str, str], str]] = [
        ({}, "2026-06-01T12:00:00+00:00"),
        ({"Prefer": "timezone=Europe/Paris"}, "2026-06-01T14:00:00+02:00"),
        ({"Prefer": "timezone=Asia/Tokyo"}, "2026-06-01T21:00:00+09:00"),
        ({"Accept_Profile": "attic"}, "2026-01-01T12:00:00+00:00"),
        ({"Accept_Profile": "attic", "Prefer": "timezone=Asia/Tokyo"}, "2026-01-01T21:00:00+09:00"),
    ]
    for age in (None, 0):
        for headers, at in wishes:
            answer = instance("ada", "GET", "/rest/v1/hours", "select=at", None, **headers)
            assert (answer.status, json.loads(answer.body), answer.age) == (200, [{"at": at}], age), answer
    assert instance.asked == len(wishes)


def test_a_change_whose_outcome_is_not_known_drops_what_is_kept(one: tuple[Instance, Clock, str]) -> None:
    instance, _, url = one
    instance("ada", "GET", "/boxes/1")
    run_sql(url, "UPDATE demo.boxes SET label = 'of-ada-new' WHERE id = 1")

    def lost(request: Request) -> Reply | Failure:
        raise ConnectionError(request)

    execute, instance._execute = instance._execute, lost  # type: ignore[assignment] # the seam of the test
    assert instance("ada", "PATCH", "/boxes/1", "", {"label": "x"}).status == 500
    instance._execute = execute
    assert "new" in instance("ada", "GET", "/boxes/1").body


def test_an_answer_that_was_read_while_a_change_ended_is_not_kept(one: tuple[Instance, Clock, str]) -> None:
    instance, _, _ = one
    execute = instance._execute
    is_within = False

    def slow(request: Request) -> Reply | Failure:
        """A read that has its rows, and then waits for a change of another thread."""
        nonlocal is_within
        answer = execute(request)
        if request.read_only and not is_within:
            is_within = True
            assert instance("ada", "PATCH", "/boxes/1", "", {"label": "of-ada-new"}).status == 200
        return answer

    instance._execute = slow  # type: ignore[assignment] # the seam of the test
    assert "new" not in instance("ada", "GET", "/boxes/1").body
    assert "new" in instance("ada", "GET", "/boxes/1").body
