"""`make migration`: the next number, a name that is a slug, and no two files with one number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra import PROJECT
from infra.__main__ import main
from infra.errors import RefusedError
from infra.local.new_migration import FOLDER, make


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "0008-index-by-creation.sql").write_text("SELECT 1;")
    return tmp_path


def files(project: Path) -> list[str]:
    return sorted(path.name for path in (project / FOLDER).iterdir())[1:]


def test_the_first_migration_is_1001_and_the_next_has_the_next_number(project: Path) -> None:
    for name in ("add-products", "2-columns", "add-products"):
        make(project, name)
    assert files(project) == ["1001-add-products.sql", "1002-2-columns.sql", "1003-add-products.sql"]


def test_the_path_and_what_to_do_next_are_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migration", "add-products", "--project", str(project)]) == 0
    path, next_ = capsys.readouterr().out.splitlines()
    assert (project / path).is_file()
    assert next_ == "next      Write its SQL, then make run applies it here, and a deploy in AWS."


def test_a_template_is_written_for_its_table(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["migration", "secure-lines", "--template", "row-security", "--table", 'demo.Order "Lines".a']
    assert main([*words, "--project", str(project)]) == 0
    path, next_ = capsys.readouterr().out.splitlines()
    sql = (project / path).read_text()
    assert sql.count('ON demo."Order ""Lines"".a"') == 2
    assert "{" not in sql
    assert next_.startswith("next      Read its SQL, then make run applies it here")


@pytest.mark.parametrize(
    ("template", "table", "said"),
    [
        ("rows", "demo.orders", "TEMPLATE can be row-security."), ("", "demo.orders", "TEMPLATE can be row-security."),
        ("row-security", "", "TABLE names the table"), ("row-security", "orders", "TABLE names the table"),
        ("row-security", ".orders", "TABLE names the table"), ("row-security", "demo.", "TABLE names the table"),
    ],
)  # fmt: skip
def test_a_template_that_is_not_there_and_a_table_without_schema_are_refused(
    project: Path, template: str, table: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["migration", "secure-orders", "--template", template, "--table", table, "--project", str(project)]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {said}")
    assert error.endswith("For example: make migration NAME=secure-orders TEMPLATE=row-security TABLE=demo.orders\n")
    assert files(project) == []


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("Add Products", "add-products"), ("add_products", "add-products"), ("../x", "x"), ("add--x", "add-x"),
        ("add-x.sql", "add-x"), ("", "add-products"), ("-x", "x"), ("ä", "add-products"), ("a" * 61, "a" * 60),
        ("x\n", "x"), ("$(reboot)", "reboot"),
    ],
)  # fmt: skip
def test_a_name_that_is_no_slug_is_refused_with_one_that_is(project: Path, name: str, better: str) -> None:
    with pytest.raises(RefusedError, match=rf"For example: make migration NAME={better}$"):
        make(project, name)
    assert files(project) == []
    make(project, better)


def test_a_second_file_with_a_number_is_refused(project: Path) -> None:
    make(project, "1005-add-products")
    with pytest.raises(RefusedError, match=r"1005-add-products\.sql has the number 1005 already\. .*NAME=add-prices"):
        make(project, "1005-add-prices")
    assert files(project) == ["1005-add-products.sql"]


@pytest.mark.parametrize("number", ["0009", "1000"])
def test_a_number_of_the_projects_own_is_refused(project: Path, number: str) -> None:
    with pytest.raises(RefusedError, match="lower numbers are this project's"):
        make(project, f"{number}-add-products")
    assert files(project) == []


def test_two_files_with_one_number_are_refused_by_their_names(project: Path) -> None:
    for name in ("1001-a", "1001-b"):
        (project / FOLDER / f"{name}.sql").touch()
    with pytest.raises(RefusedError, match=r"1001-a\.sql and .*1001-b\.sql have the same number"):
        make(project, "add-products")


def test_a_clone_without_the_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migration", "add-products", "--project", str(tmp_path)]) == 1
    assert re.match(r"error: The migration was not made: .*No such file", capsys.readouterr().err)


def test_each_migration_of_this_clone_has_a_number_of_its_own() -> None:
    numbers = [path.name.partition("-")[0] for path in (PROJECT / FOLDER).glob("*.sql")]
    assert len(set(numbers)) == len(numbers)
