"""The clients of PostgREST, which people know, work with /rest/v1: each runs one scenario over a served API.

The parts of a scenario are modules of programs/: `postgrest_reading` reads, `postgrest_writing` writes, and
`postgrest_calling` calls functions. Each has a function that the program of the client calls (`postgrest_py.py`,
`postgrest_js.ts`). `ra_data_postgrest.ts` has a scenario of its own, which reads and edits as react-admin does.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chalice.config import Config

from crud_api.access import protect
from crud_api.application import create_app
from crud_api.executor.seam import Execute, InProcessExecutor
from crud_api.resource.functions import Functions
from infra.local.adopt import existing
from infra.local.adopt.functions import adopt_functions, functions_in
from infra.local.id_token import token
from infra.local.server import create_server
from query_executor.handler import create_local_handler
from tests.clients import generators
from tests.clients.generators import PROGRAMS, PYTHON, npm, run
from tests.conftest import execute
from tests.contract.followed import Page
from tests.integration.test_adopt import Adopted
from tests.servers import free_port

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="make clients has not installed the clients")
PAGE = Page("docs/postgrest.md")
PARTS = ("postgrest_reading", "postgrest_writing", "postgrest_calling")
SQL = """
CREATE SCHEMA demo;
CREATE TABLE demo.customers (customer_id text PRIMARY KEY, customer_name text NOT NULL, email text UNIQUE,
  city text);
CREATE TABLE demo.orders (order_id text PRIMARY KEY, customer_id text NOT NULL REFERENCES demo.customers,
  status text DEFAULT 'pending', total_amount numeric(12, 2));
CREATE TABLE demo.ratings (order_id text REFERENCES demo.orders, rater text, stars int, PRIMARY KEY (order_id, rater));
CREATE VIEW demo.customer_names AS SELECT customer_id AS id, customer_name AS name FROM demo.customers;
CREATE FUNCTION demo.label(demo.customers) RETURNS text STABLE LANGUAGE sql
  AS $$ SELECT $1.customer_name || ' of ' || $1.city $$;
CREATE FUNCTION demo.last_order(demo.customers) RETURNS SETOF demo.orders ROWS 1 STABLE LANGUAGE sql
  AS $$ SELECT * FROM demo.orders WHERE customer_id = $1.customer_id ORDER BY order_id DESC LIMIT 1 $$;
CREATE FUNCTION demo.spent(customer_id text) RETURNS numeric STABLE LANGUAGE sql
  AS $$ SELECT sum(total_amount) FROM demo.orders WHERE orders.customer_id = spent.customer_id $$;
CREATE FUNCTION demo.owing(minimum numeric DEFAULT 0) RETURNS SETOF demo.orders STABLE LANGUAGE sql
  AS $$ SELECT * FROM demo.orders WHERE total_amount >= minimum $$;
CREATE FUNCTION demo.first_of(names text[]) RETURNS text IMMUTABLE LANGUAGE sql
  AS $$ SELECT min(name) FROM unnest(names) AS name $$;
CREATE FUNCTION demo.ship(order_id text) RETURNS SETOF demo.orders LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY UPDATE demo.orders SET status = 'shipped'
    WHERE orders.order_id = ship.order_id AND status = 'pending' RETURNING *;
  IF NOT FOUND THEN
    RAISE SQLSTATE 'PT409' USING MESSAGE = order_id || ' cannot be shipped', HINT = 'Look at its status.';
  END IF;
END $$;
INSERT INTO demo.customers VALUES ('P1', 'Ada', NULL, 'London'), ('P2', 'Bo', NULL, 'Paris'),
  ('P3', 'Cleo', 'cleo@example.com', NULL);
INSERT INTO demo.orders VALUES ('Q1', 'P1', 'pending', 12.50), ('Q2', 'P1', 'shipped', 21.25),
  ('Q3', 'P2', 'pending', 7);
"""


@pytest.fixture
def url(database_url: str, tmp_path: Path) -> Iterator[str]:
    with served_api(database_url, tmp_path) as address:
        yield address


@contextmanager
def served_api(database_url: str, folder: Path, access: str = "none") -> Iterator[str]:
    """Serve an API that has adopted the tables, the view and the functions, and yield its address."""
    execute(database_url, SQL)
    adopted = Adopted(database_url, folder / "tables")
    adopted("demo")
    in_process = InProcessExecutor(create_local_handler(database_url))
    functions = adopted_functions(in_process, folder)
    app = create_app(in_process, list(adopted.resources.values()), functions=functions, access=access)
    protect(app, access, "arn:aws:cognito-idp:local:000000000000:userpool/local")
    port = free_port()
    server = create_server(app, Config.create(chalice_stage="local"), "127.0.0.1", port)
    thread = threading.Thread(target=server.server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.shutdown()
    server.server.server_close()


def adopted_functions(in_process: Execute, folder: Path) -> Functions:
    """The functions of the schema, as `make adopt ARGS=--functions` declares them."""
    modules = folder / "functions"
    modules.mkdir()
    shutil.copy(generators.ROOT / "crud_api" / "functions" / "__init__.py", modules)
    done = adopt_functions(in_process, ["demo"], modules, folder / "tables", lambda _: None)
    made = {path.stem: existing.run(path.read_text(), path) for path in done.written if path.name != "__init__.py"}
    return Functions(*(function for name in made for function in functions_in(made[name], name)))


def test_postgrest_py(url: str, tmp_path: Path) -> None:
    for name in (*PARTS, "postgrest_py"):
        shutil.copy(PROGRAMS / f"{name}.py", tmp_path)
    assert run(PYTHON, "postgrest_py.py", url, cwd=tmp_path) == "done\n"


def test_postgrest_js(url: str, tmp_path: Path) -> None:
    files = [f"{name}.ts" for name in (*PARTS, "postgrest_js")]
    for name in files:
        shutil.copy(PROGRAMS / name, tmp_path)
    generators.typescript(tmp_path, *files)
    assert run(npm("")[0], "js/postgrest_js.js", url, cwd=tmp_path) == "done\n"


def test_ra_data_postgrest(url: str, tmp_path: Path) -> None:
    files = ("ra_data_postgrest.ts", "ra-core.d.ts")
    for name in files:
        shutil.copy(PROGRAMS / name, tmp_path)
    generators.typescript(tmp_path, *files, module="CommonJS")
    assert run(npm("")[0], "js/ra_data_postgrest.js", url, cwd=tmp_path) == "done\n"


@pytest.mark.parametrize("access", ["api_key", "cognito"])
def test_the_clients_of_the_page_call_as_it_says(access: str, database_url: str, tmp_path: Path) -> None:
    secret = {"key": "ada", "token": token("ada", [], "", int(time.time()))}
    (headers,) = re.findall(rf"^\| `{access}` \| `(.*)` \|$", PAGE.text, re.MULTILINE)
    (typescript,), (python, *_) = PAGE.blocks("ts"), PAGE.blocks("python")
    (tmp_path / "page.ts").write_text(
        f"const {{ key, token }} = {json.dumps(secret)};\nconst headers = {headers};\n{typescript}"
        "console.log(JSON.stringify([error, data]));\n"
    )
    (tmp_path / "page.py").write_text(f"key, token = {(*secret.values(),)}\nheaders = {headers}\n{python}print(data)\n")
    with served_api(database_url, tmp_path, access) as address:
        for name in ("page.ts", "page.py"):
            text, urls = re.subn(r"https://[^/]+/api(?=/rest/v1\b)", address, (tmp_path / name).read_text())
            assert urls == 1
            (tmp_path / name).write_text(text)
        generators.typescript(tmp_path, "page.ts")
        from_typescript = json.loads(run(npm("")[0], "js/page.js", cwd=tmp_path))
        from_python = ast.literal_eval(run(PYTHON, "page.py", cwd=tmp_path))
    rows = [{"customer_name": "Ada", "orders": [{"order_id": "Q1"}, {"order_id": "Q2"}]}]
    assert (from_typescript, from_python) == ([None, rows], rows)
