"""The golden examples: the schema, the codec, the executor's image and the API must agree on each of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from infra.dev import contract_schema
from query_executor import contract
from query_executor.contract import Failure, InvalidRequestError
from query_executor.pg_types import CASTS
from tests import image
from tests.conftest import execute
from tests.contract.rows import ROWS
from tests.functional.conftest import CLIENT_OPTIONS
from tests.lambda_runtime import LambdaFunction, lambda_function, link_distributions
from tests.properties import examples

ROOT = Path(__file__).parents[2]
FILES = sorted((Path(__file__).parent / "examples").glob("*.json"))
EXAMPLES: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in FILES}

# The examples on which the schema and parse_request may differ. Each example says why. The property below checks that
# there are no other differences.
SCHEMA_IS_LAXER = {
    "difference-from-a-later-result",
    "difference-lone-surrogate",
    "difference-number-beyond-float8",
    "difference-role-of-too-many-bytes",
    "difference-whole-number-with-a-fraction",
}
SCHEMA_IS_STRICTER = {"difference-unknown-type"}

# The messages of these failures come from the operating system and from libpq.
FOREIGN_MESSAGES = {"unavailable", "outcome_unknown"}


def validator(definition: str) -> Draft202012Validator:
    schema = contract_schema.schema()
    return Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]})


REQUESTS, REPLIES, FAILURES = validator("Request"), validator("Reply"), validator("Failure")


def parses(request: object) -> str | None:
    """The reason why parse_request refuses the request, or None."""
    try:
        contract.parse_request(request)
    except InvalidRequestError as error:
        return str(error)
    return None


@pytest.fixture(params=EXAMPLES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_published_schema_is_that_of_the_code() -> None:
    published = (ROOT / "docs" / "executor.schema.json").read_text()
    command = ".venv/bin/python -m infra.dev.contract_schema > docs/executor.schema.json"
    assert published == contract_schema.text(), f"run: {command}"
    Draft202012Validator.check_schema(json.loads(published))


def test_a_request_is_good_to_the_schema_if_it_is_to_the_executor(name: str) -> None:
    example = EXAMPLES[name]
    why, valid = parses(example["request"]), REQUESTS.is_valid(example["request"])
    assert (why is None) == (not name.startswith("refused-") and name not in SCHEMA_IS_LAXER)
    assert valid == (not name.startswith("refused-") and name not in SCHEMA_IS_STRICTER)
    if why is not None:
        assert example["answer"]["failure"]["message"] == why


def test_differences_of_schema_and_executor_are_listed_and_justified() -> None:
    differences = {name for name in EXAMPLES if name.startswith("difference-")}
    assert differences == SCHEMA_IS_LAXER | SCHEMA_IS_STRICTER
    assert all(EXAMPLES[name]["about"] for name in differences)


def test_a_request_says_the_same_after_it_was_encoded(name: str) -> None:
    if parses(EXAMPLES[name]["request"]) is not None:
        return
    parsed = contract.parse_request(EXAMPLES[name]["request"])
    encoded = contract.encode_request(parsed)
    assert contract.encode_request(contract.parse_request(json.loads(encoded))) == encoded
    assert REQUESTS.is_valid(json.loads(encoded)) == (name not in SCHEMA_IS_STRICTER)


def test_an_answer_is_good_to_the_schema_and_the_same_after_it_was_decoded(name: str) -> None:
    answer = EXAMPLES[name]["answer"]
    decoded = contract.decode_answer(json.dumps(answer).encode())
    assert contract.encode_answer(decoded) == answer
    is_failure = isinstance(decoded, Failure)
    assert (REPLIES.is_valid(answer), FAILURES.is_valid(answer)) == (not is_failure, is_failure)


def test_there_is_an_example_of_every_member_and_every_failure() -> None:
    codes = {example["answer"].get("failure", {}).get("code") for example in EXAMPLES.values()} - {None}
    assert codes == set(
        contract_schema.schema()["$defs"]["Failure"]["properties"]["failure"]["properties"]["code"]["enum"]
    )
    assert codes == {value for name, value in vars(contract).items() if name.isupper() and isinstance(value, str)}

    good = [
        example["request"] for name, example in EXAMPLES.items() if not name.startswith(("refused-", "difference-"))
    ]
    text = json.dumps(good)
    for one in (contract.Request, contract.Statement, contract.Typed, contract.FromResult):
        for member in one.__slots__:
            assert f'"{member}": ' in text


# The part of the contract that vendor/ puts into the API's package. It has only the contract and the standard library.
_API_HALF = """
import json, sys
sys.path.insert(0, sys.argv[1])
from query_executor import contract
answers = []
for path in sys.argv[2:]:
    example = json.loads(open(path, encoding="utf-8").read())
    try:
        request = json.loads(contract.encode_request(contract.parse_request(example["request"])))
    except contract.InvalidRequestError as error:
        request = str(error)
    answer = contract.encode_answer(contract.decode_answer(json.dumps(example["answer"]).encode()))
    answers.append([request, answer])
json.dump([answers, sorted({"psycopg2", "dataclasses", "typing"} & sys.modules.keys())], sys.stdout)
"""


def test_the_apis_half_of_the_contract_reads_and_writes_every_example(tmp_path: Path) -> None:
    half = tmp_path / "query_executor"
    shutil.copytree(ROOT / "vendor" / "query_executor", half, ignore=shutil.ignore_patterns("__pycache__"))
    assert {path.name for path in half.iterdir()} == {"__init__.py", "contract"}

    process = subprocess.run(
        [sys.executable, "-S", "-I", "-c", _API_HALF, tmp_path, *FILES], capture_output=True, text=True, check=True
    )

    answers, slow_imports = json.loads(process.stdout)
    assert slow_imports == []
    for (name, example), (request, answer) in zip(EXAMPLES.items(), answers, strict=True):
        assert answer == example["answer"], name
        why = parses(example["request"])
        if why is None:
            assert request == json.loads(contract.encode_request(contract.parse_request(example["request"]))), name
        else:
            assert request == why, name


@pytest.fixture(scope="module")
def executors(api_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, LambdaFunction]]:
    """The files of the image and its library, in the real Lambda runtime. With False, there is no database server."""
    task_root = image.build(tmp_path_factory.mktemp("image"))
    driver = link_distributions(tmp_path_factory.mktemp("driver"), "psycopg2-binary")
    urls = {True: api_database, False: "postgresql://nobody@/nowhere?host=/nowhere"}
    functions = {
        up: lambda_function(
            "query_executor.handler.handle", environment={"DATABASE_URL": url}, python_path=[task_root, driver]
        )
        for up, url in urls.items()
    }
    with functions[True] as up, functions[False] as down:
        yield {True: up, False: down}


def test_the_executors_image_answers_every_example(executors: dict[bool, LambdaFunction], api_database: str) -> None:
    for name, example in EXAMPLES.items():
        execute(api_database, ROWS)
        function = executors[name != "failure-unavailable"]
        client = boto3.client("lambda", endpoint_url=function.endpoint_url, **CLIENT_OPTIONS)
        # The text of the file is sent, because Python's JSON would write 1e400 as Infinity.
        payload = FILES[list(EXAMPLES).index(name)].read_text().split('"request": ', 1)[1]
        payload = payload[: payload.rindex(',\n  "answer": ')]
        answer = json.loads(client.invoke(FunctionName="function", Payload=payload.encode())["Payload"].read())
        client.close()
        for failure in (answer.get("failure"), example["answer"].get("failure")):
            if failure and failure["code"] in FOREIGN_MESSAGES:
                assert failure.pop("message")
            if failure and failure["routine"]:  # another version of PostgreSQL may use another name
                failure["routine"] = "its name"
        assert answer == example["answer"], name


NAMES = st.sampled_from(["a", "b", "type", "value", "result", "column"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | st.text(st.sampled_from("a\x00é\n$"), max_size=3)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
TYPED = st.fixed_dictionaries({"type": st.sampled_from([*sorted(CASTS), "json", "jsonb"]), "value": ANYTHING})
FROM_RESULT = st.fixed_dictionaries({"result": st.integers(-1, 2), "column": st.just("a")})
PARAMS = st.dictionaries(NAMES, ANYTHING | TYPED | FROM_RESULT, max_size=2)
STATEMENT = {
    "sql": st.just("SELECT 1") | SCALARS,
    "params": PARAMS | SCALARS,
    "batch": st.lists(PARAMS, max_size=2) | ANYTHING,
    "expect_rows": SCALARS,
}
SETTINGS = st.dictionaries(
    st.sampled_from(["request.a", "request.jwt.claims", "request.A", "role", ""]), SCALARS, max_size=2
)
OPTIONS = {
    "read_only": st.booleans() | SCALARS,
    "deadline_ms": SCALARS,
    "max_rows": SCALARS,
    "request_id": SCALARS,
    "commit_if": SCALARS,
    "role": st.sampled_from(["none", "a"]) | SCALARS,
    "settings": SETTINGS | ANYTHING,
}


def some_of(members: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


REQUEST = ANYTHING | some_of(
    {**STATEMENT, **OPTIONS, "statements": st.lists(some_of({**STATEMENT, "x": SCALARS}) | SCALARS, max_size=3)}
)
SINGLE = st.builds(
    lambda members, more: {"sql": "SELECT 1", **members, **more},
    some_of({name: one for name, one in STATEMENT.items() if name != "sql"}),
    some_of(OPTIONS),
)
SEVERAL = st.builds(
    lambda statements, more: {"statements": [{"sql": "SELECT 1", **one} for one in statements], **more},
    st.lists(some_of({"params": PARAMS, "expect_rows": st.integers(0, 2)}), min_size=1, max_size=3),
    some_of({"deadline_ms": st.integers(1, 3)}),
)


@settings(max_examples=examples(100), deadline=None, derandomize=True)
@given(REQUEST | SINGLE | SEVERAL)
def test_schema_and_executor_agree_on_any_request(request: object) -> None:
    why = parses(request)
    if why is not None and "must be the number of an earlier statement" in why:
        return  # the only difference that this property can meet
    assert REQUESTS.is_valid(request) == (why is None), why
