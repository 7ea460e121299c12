"""The pages (README.md, DEPLOYMENT.md, docs/*.md, ...): what they name exists, and the code says what they quote."""

from __future__ import annotations

import copy
import json
import re
import shlex
import subprocess
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from crud_api.tables import TABLES
from infra import PROJECT as ROOT
from infra.__main__ import main
from infra.errors import BudgetError
from infra.stage import Stage, budget, config
from infra.steps import STEPS, checks
from infra.steps.users import Users

DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [
        *(ROOT / f"{name}.md" for name in ("README", "DEPLOYMENT", "CONTRIBUTING", "tests/README")),
        *ROOT.glob("docs/*.md"),
    ]
}
FIRST_DEPLOY = DOCUMENTS["docs/first-deploy.md"]
# The pages for operators.
PAGES = ("first-deploy", "operate", "troubleshoot", "security", "github")
GUIDE = "\n".join(DOCUMENTS[name] for name in ("DEPLOYMENT.md", *(f"docs/{page}.md" for page in PAGES)))
TIMES = "\N{MULTIPLICATION SIGN}"
COMMANDS = ("run", "migrate", "deploy", "plan", "key", "status", "logs", "smoke", "destroy")
# These files are made when the product runs. A clone does not have them.
MADE = {".chalice/deployed/dev.json", ".chalice/deployed/"}
# AWS or PostgreSQL says these. The code here does not.
OTHERS = {
    "AccessDeniedException", "initDurationMs", "timeout expired", "DB_SECRET_ARN cannot be read: Connect timeout",
}  # fmt: skip

documents = pytest.mark.parametrize("name", DOCUMENTS)


@cache
def files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


@cache
def sources() -> str:
    """All code and configuration without the tests. A string over several lines becomes one string."""
    names = [
        name for name in files() if name.startswith((".", "app.py", "crud_api", "infra", "query_executor", "Make"))
    ]
    text = "\n".join((ROOT / name).read_text() for name in names if not name.endswith((".gz", ".txt", "LICENSE")))
    return re.sub(r"[\"']\n\s*f?[\"']", "", text)


@cache
def own_tests() -> str:
    return "\n".join((ROOT / name).read_text() for name in files() if re.match(r"tests/.*\.py", name))


def outside_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def spans(text: str) -> list[str]:
    """The texts in backticks outside of code blocks."""
    return [" ".join(one.split()) for one in re.findall(r"`([^`]+)`", outside_blocks(text))]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", outside_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def infra_commands(text: str) -> list[list[str]]:
    """The words of each `python -m infra ...` in the text."""
    found = re.findall(r"python -m infra((?: [\w./-]+)+)", text)
    return [shlex.split(one) for one in found]


@documents
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)\s]+)\)", outside_blocks(DOCUMENTS[name])):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


@documents
def test_every_file_that_is_named_is_there(name: str) -> None:
    folders = {one.partition("/")[0] for one in files() if "/" in one}
    # The reader of the page creates these files.
    created = set(re.findall(r"(?:[Cc]reate|SQL into) `([^`]+)`", DOCUMENTS[name]))
    for span in set(spans(DOCUMENTS[name])) - MADE - created:
        path = span.rstrip("/")
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+", path) and path.partition("/")[0] in folders:
            assert (ROOT / path).exists(), span
        elif re.fullmatch(r"[\w.-]+\.(py|yaml|yml|json|md|toml|sql|txt)", span):
            assert any(one == span or one.endswith(f"/{span}") for one in files()), span


@pytest.mark.parametrize("package", ["crud_api", "query_executor", "infra"])
def test_the_architecture_names_every_module(package: str) -> None:
    named = " ".join(spans(DOCUMENTS["docs/architecture.md"]))
    declarations = {resource.model.__module__.replace(".", "/") + ".py" for resource in TABLES}
    for path in files():
        is_declaration = path in declarations or path.startswith("crud_api/functions/")
        if not is_declaration and re.fullmatch(rf"{package}/.*(?<!__init__)\.(py|yaml)", path):
            assert re.search(rf"(^|[ /]){re.escape(path.rpartition('/')[2])}( |$)", named), path


@documents
def test_every_test_that_is_named_is_there(name: str) -> None:
    for span in spans(DOCUMENTS[name]):
        if re.fullmatch(r"test_\w+", span):
            assert f"def {span}(" in own_tests(), span


@documents
def test_every_target_of_make_is_there(name: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    code = [
        *re.findall(r"`(make [^`]+)`", DOCUMENTS[name]),
        *re.findall(r"^[$ ]*(make .*)", DOCUMENTS[name], re.MULTILINE),
    ]
    for command in code:
        words = [word for word in shlex.split(command, comments=True)[1:2] if "=" not in word]
        assert not words or words[0] in targets, command


@documents
def test_every_command_takes_the_flags_it_is_shown_with(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in infra_commands(DOCUMENTS[name]):
        command, flags = words[0], [word for word in words if word.startswith("--")]
        assert command in COMMANDS, words
        with pytest.raises(SystemExit):
            main([command, "--help"])
        known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        assert set(flags) <= known, words


def test_readme_says_how_much_the_two_commands_download() -> None:
    sizes = dict(re.findall(r"call SAY,([^,]+),(\d+)\)", (ROOT / "Makefile").read_text()))
    first = {"what the API needs", "uv"}
    second = {"the tests and checkers", "the front end of AWS Lambda", "generators of clients"}
    said = re.findall(r"downloads about (\d+) MB", DOCUMENTS["README.md"])
    assert [int(one) for one in said] == [
        round(sum(int(sizes.get(name, 0)) for name in names), -1) for names in (first, second)
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_guide_shows_or_names_every_command(command: str) -> None:
    assert re.search(rf"-m infra {command}\b|make {command}\b|`{command}`", GUIDE)


def test_every_flag_that_is_named_is_one_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    helps = ""
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        helps += capsys.readouterr().out
    for span in spans(GUIDE):
        if span.startswith("--"):
            assert span.split()[0] in helps, span


def stage_with(members: dict[str, Any]) -> Stage:
    disk = json.loads((ROOT / ".chalice" / "config.json").read_text())
    changed = copy.deepcopy(disk)
    for section, values in members.items():
        changed["stages"]["dev"][section] = {**changed["stages"]["dev"].get(section, {}), **values}
    return Stage.from_file("dev", config.check(changed), ROOT)


def test_the_stage_with_a_database_of_ones_own_is_one_that_can_be_deployed() -> None:
    (block,) = re.findall(r"^```json\n(.*?)^```$", FIRST_DEPLOY, re.DOTALL | re.MULTILINE)
    stage = stage_with(json.loads(block))
    checks.require_way_to_secrets(stage)
    assert stage.database_stack is None
    assert stage.database_own["DatabaseHost"].endswith(".rds.amazonaws.com")


@pytest.mark.parametrize(
    "members",
    [one for text in (GUIDE, DOCUMENTS["docs/access.md"], DOCUMENTS["docs/cost.md"]) for one in spans(text)
     if re.fullmatch(r'"(network|database|gateway|alarms)": \{.*\}', one)],
)  # fmt: skip
def test_every_member_that_is_shown_is_one_of_a_stage(members: str) -> None:
    stage_with(json.loads(f"{{{members}}}"))


def test_the_ids_of_ones_own_database_are_printed_by_the_names_of_the_config(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (lines,) = re.findall(r"^```python\n(.*?)^```$", FIRST_DEPLOY, re.DOTALL | re.MULTILINE)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        ec2, rds = boto3.client("ec2"), boto3.client("rds")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for block, zone in (("10.0.0.0/25", "eu-central-1a"), ("10.0.0.128/25", "eu-central-1b"))
        ]
        group = ec2.create_security_group(GroupName="mine", Description="mine", VpcId=vpc)["GroupId"]
        rds.create_db_subnet_group(DBSubnetGroupName="mine", DBSubnetGroupDescription="mine", SubnetIds=subnets)
        rds.create_db_instance(
            DBInstanceIdentifier="mydb", DBInstanceClass="db.t4g.micro", Engine="postgres", DBName="shop",
            DBSubnetGroupName="mine", VpcSecurityGroupIds=[group], AllocatedStorage=20, ManageMasterUserPassword=True,
            MasterUsername="postgres",
        )  # fmt: skip
        exec(lines, {})  # noqa: S102 - it is what the reader pastes
    said = eval(capsys.readouterr().out)  # noqa: S307 - a dict that was printed
    assert (said["VpcId"], said["SubnetIds"], said["DatabaseSecurityGroupId"]) == (vpc, ",".join(subnets), group)
    assert said["OwnerSecretArn"].startswith("arn:aws:secretsmanager:")
    assert said["DatabaseResourceId"].startswith("db-")
    assert said["DatabaseHost"].endswith(".eu-central-1.rds.amazonaws.com")
    assert (said["DatabaseInstance"], said["DatabaseName"], said["DatabasePort"]) == ("mydb", "shop", 5432)
    network = {key: said[key] for key in ("VpcId", "SubnetIds", "DatabaseSecurityGroupId")}
    own = {key: value for key, value in said.items() if key not in network and key != "IAM"}
    assert stage_with({"network": network, "database": {"stack": None, "own": own}}).database_own == {
        key: str(value) for key, value in own.items()
    }


def test_what_the_guide_names_is_named_so_in_the_code() -> None:
    """These are parameters, settings, alarms, problems and fields of logs. Each is a word that is not plain English."""
    for span in set(spans(GUIDE)) - OTHERS:
        if re.fullmatch(r"crud-api-dev-[\w-]+", span):
            rest = span.removeprefix("crud-api-dev-")
            assert f"crud-api-${{Stage}}-{rest}" in sources() or f"}}-{rest}" in sources(), span
        elif re.fullmatch(r"[A-Za-z]\w*[A-Z_-][\w-]*", span) and not re.match(r"(test_|urn|v\*|AWS_|arn)", span):
            assert re.search(rf"\b{re.escape(span)}\b", sources()), span


def test_what_the_guide_quotes_is_said() -> None:
    with pytest.raises(BudgetError) as refused:
        budget.check(79, 100)
    said = f"{sources()} {refused.value}"
    for span in set(spans(GUIDE)) - OTHERS:
        if re.match(r"(?!GRANT|SELECT|SHOW)[A-Z0-9]\w+ \w+ ", span):
            for part in span.split("..."):
                words = part.strip(" (:)")
                assert words in said or words in OTHERS, span


def test_the_formulas_of_the_bill_have_the_results_beside_them() -> None:
    rows = [re.split(r" *\| *", line)[1:-1] for line in DOCUMENTS["docs/cost.md"].splitlines() if line.startswith("|")]
    found = [
        (cells[-2], float(cells[-1].strip("(+)")))
        for cells in rows
        if re.fullmatch(rf"[\d.{TIMES}+()^ -]+", cells[-2]) and re.fullmatch(r"[(+-]*[\d.]+\)?", cells[-1])
    ]
    assert len(found) > 12
    for formula, result in found:
        value = eval(formula.replace(TIMES, "*").replace("^", "**"))  # noqa: S307 - of digits and signs, by the pattern
        assert value == pytest.approx(result, abs=0.006), formula


def test_the_steps_of_a_deploy_are_its_own() -> None:
    usual = [step for step in STEPS if step is not Users]  # a stage without users, as .chalice/config.json has them
    number = len(usual)
    for at, step in enumerate(usual, 1):
        assert f"[{at}/{number}] {step.name}" in GUIDE
        assert f"| {at} {step.name} |" in GUIDE
