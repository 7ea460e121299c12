"""Each mutation can still be made. `make mutants` tests whether the tests find it."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.__main__ import PROJECT, MutationError, main, mutated
from tests.mutants.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.harm)
def test_its_line_stands_once_and_its_tests_are_there(mutation: Mutation) -> None:
    text = (PROJECT / mutation.file).read_text()
    ast.parse(mutated(mutation, text))
    assert all((PROJECT / one).exists() for one in mutation.tests.split() if one.endswith(".py"))


def test_there_are_twenty_of_all_parts_or_more() -> None:
    assert len({mutation.harm for mutation in MUTATIONS}) == len(MUTATIONS) >= 20
    assert {mutation.file.split("/")[0] for mutation in MUTATIONS} == {"crud_api", "query_executor", "infra"}


@pytest.mark.parametrize("text", ["", "if a:\nif a:\n", "if a: # more\n"])
def test_a_line_that_is_gone_or_there_twice_is_no_mutation(text: str) -> None:
    with pytest.raises(MutationError):
        mutated(Mutation("", "", "if a:", "", ""), text)


def test_the_mutations_are_chosen_by_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "NaN"]) == 0
    assert capsys.readouterr().out == "crud_api/resource/columns/number.py: NaN is stored as an amount\n"
    assert main(["no such word"]) == 1
