"""What the templates make in every variant. It includes the types that the emulator skips."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest
from chalice.cli.factory import CLIFactory

from tests.infrastructure.templates import (
    DATABASE_GROUP_ID,
    EXECUTOR_GROUP_ID,
    NAMES,
    OWN_VPC,
    REQUIRED,
    SUBNET_IDS,
    VARIANTS,
    VPC_ID,
    RefusedError,
    Stack,
    load,
    path,
)

variants = pytest.mark.parametrize(("name", "parameters"), VARIANTS)
names = pytest.mark.parametrize("name", NAMES)

# The parameters that a deploy sets itself, from .chalice/config.json or because the user chose so. All other parameters
# of a stack are outputs of an earlier stack.
FROM_CONFIG = {
    "network": {
        "VpcCidr", "SubnetCidrA", "SubnetCidrB", "ZoneA", "ZoneB", "VpcId", "SubnetIds", "DatabaseSecurityGroupId",
        "DatabasePort", "SecretsEndpoint", "SecretsEndpointGroupId", "FlowLogs", "Repository", "LogRetentionDays",
    },
    "database": {
        "Engine", "EngineVersion", "DatabaseName", "OwnerUser", "MaxConnections", "InstanceClass", "AllocatedStorage",
        "MaxAllocatedStorage", "MultiAz", "MinCapacity", "MaxCapacity", "BackupDays", "DeletionProtection", "Proxy",
        "ExecutorUser", "LogRetentionDays",
    },
    "executor": {
        "ImageUri", "Architecture", "Release", "MemorySize", "Timeout", "ReservedConcurrency",
        "ProvisionedConcurrency", "LogRetentionDays", "StatementMs", "LockMs", "ExecutorMode", "Tracing", "SecretArn",
        "SecretKeyArn", "OwnerSecretKeyArn", "LiveVersion", "Reserve", "OwnerCaBundle",
    },
    "observability": {
        "ApiName", "ApiStage", "AlarmEmail", "LogRetentionDays", "SlowMs", "NearTimeoutMs", "ManyConnections",
        "LowStorageBytes",
    },
    "users": set(),
}  # fmt: skip


def test_the_folder_has_no_other_template() -> None:
    # github-oidc belongs to an account and not to a deploy. test_github_oidc.py tests it.
    assert {one.stem for one in Path("infra/templates").glob("*.y*ml")} == {*NAMES, "github-oidc"}


@names
def test_a_template_is_small_and_begins_with_what_it_makes_and_why(name: str) -> None:
    text = path(name).read_text()
    assert len(text.splitlines()) <= 520
    head = text.split("Parameters:")[0]
    assert "# What it makes: " in head
    assert "# Why: " in head


@names
def test_every_parameter_is_described_and_constrained(name: str) -> None:
    for key, parameter in load(name)["Parameters"].items():
        assert parameter["Description"], key
        constraints = parameter.keys() & {"AllowedPattern", "AllowedValues", "MinValue", "MinLength"}
        free = parameter["Type"] == "CommaDelimitedList" or (parameter.get("Default") == "" and key.startswith("Data"))
        assert constraints or free, key


OF_ROLES = {"RoleSuffix", "PermissionsBoundary", "DashboardSuffix"}  # infra/aws/roles.py
# These names are the same in all regions of an account, because their ARN names no region.
GLOBAL = {
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
}


@names
def test_every_parameter_is_an_output_of_a_stack_before_or_the_deploys_own(name: str) -> None:
    outputs = {key for before in NAMES[: NAMES.index(name)] for key in load(before)["Outputs"]}
    parameters = set(load(name)["Parameters"])
    assert parameters - {"Stage"} - OF_ROLES - FROM_CONFIG[name] <= outputs
    assert FROM_CONFIG[name] <= parameters


def test_what_the_config_says_of_the_executor_has_no_second_place() -> None:
    parameters = load("executor")["Parameters"]
    of_config = "MemorySize Timeout ReservedConcurrency LogRetentionDays StatementMs LockMs ExecutorMode".split()
    assert [key for key in of_config if "Default" in parameters[key]] == []


@variants
def test_a_variant_resolves_and_names_nothing_that_is_not_made(name: str, parameters: dict[str, str]) -> None:
    stack = Stack(name, **parameters)
    assert stack.resources
    assert all(stack.outputs.values())


@variants
def test_the_stage_is_in_every_name(name: str, parameters: dict[str, str]) -> None:
    keys = re.compile(r"^(\w*Name|\w+Identifier)$")
    reserved = {"live", "default"}  # names of an alias and of a target group, which belong to the stage
    for key, resource in Stack(name, **{**parameters, "Stage": "blue"}).resources.items():
        own = {
            field: value
            for field, value in resource["Properties"].items()
            if keys.match(field) and isinstance(value, str) and not value.startswith("<") and value not in reserved
        }
        for field, value in own.items():
            if field not in {"MetricName", "ServiceName", "DatabaseName", "DBName"}:
                assert "blue" in value, f"{key}.{field}"


@variants
def test_a_name_that_is_one_for_all_regions_ends_with_the_region(name: str, parameters: dict[str, str]) -> None:
    ends = {key: "-eu-west-9" for key in ("RoleSuffix", "DashboardSuffix") if key in load(name)["Parameters"]}
    for key, resource in Stack(name, **{**parameters, **ends}).resources.items():
        if resource["Type"] in GLOBAL:
            assert resource["Properties"][GLOBAL[resource["Type"]]].endswith("-eu-west-9"), key


@pytest.mark.parametrize(
    ("name", "parameters", "reason"),
    [
        ("network", {"VpcId": VPC_ID}, "Name the private subnets"),
        ("network", {"SubnetIds": SUBNET_IDS}, "name it in VpcId"),
        ("network", {"DatabaseSecurityGroupId": DATABASE_GROUP_ID}, "name it in VpcId"),
        ("network", {"Stage": "Dev_1"}, "Stage"),
        ("network", {"VpcCidr": "10.0.0.0/8"}, "VpcCidr"),
        ("database", {"DatabasePort": "6000", "Proxy": "true"}, "5432 only"),
        ("executor", {"DatabaseResourceId": ""}, "SecretArn for a password"),
        ("executor", {"OwnerSecretArn": "", "OwnerResourceId": ""}, "OwnerResourceId for IAM"),
        ("executor", {"ReservedConcurrency": "0"}, "ReservedConcurrency"),
        ("executor", {"SecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:*"}, "SecretArn"),
        ("executor", {"DatabaseResourceId": "*"}, "DatabaseResourceId"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(name: str, parameters: dict[str, str], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        Stack(name, **parameters)


def test_expired_answers_are_removed_every_day_by_the_owner() -> None:
    stack = Stack("executor", **dict(next(parameters for name, parameters in VARIANTS if name == "executor")))
    (rule,) = stack.of_type("AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "rate(1 day)"
    (target,) = rule["Targets"]
    assert (target["Arn"], json.loads(target["Input"])) == ("<Migrations.Arn>", {"only": "purge"})


# The network


@variants
def test_nothing_is_public_and_nothing_idles_at_a_price(name: str, parameters: dict[str, str]) -> None:
    stack = Stack(name, **parameters)
    types = {resource["Type"] for resource in stack.resources.values()}
    assert not types & {
        "AWS::EC2::NatGateway", "AWS::EC2::InternetGateway", "AWS::EC2::EIP", "AWS::EC2::Route", "AWS::EC2::Instance",
        "AWS::EC2::EgressOnlyInternetGateway", "AWS::Lambda::Url",
    }  # fmt: skip
    # Only a rule of the stage may invoke a function by the policy of the function.
    for permission in stack.of_type("AWS::Lambda::Permission").values():
        assert (permission["Principal"], permission["SourceArn"]) == ("events.amazonaws.com", "<EveryDay.Arn>")
    assert not any(one["MapPublicIpOnLaunch"] for one in stack.of_type("AWS::EC2::Subnet").values())
    assert not any(one["PubliclyAccessible"] for one in stack.of_type("AWS::RDS::DBInstance").values())
    if name == "network":
        assert ("AWS::EC2::VPCEndpoint" in types) == (parameters.get("SecretsEndpoint") == "true")
        assert ("AWS::EC2::FlowLog" in types) == (parameters.get("FlowLogs") == "true")


def test_a_made_network_has_two_subnets_in_two_zones_that_share_its_addresses() -> None:
    stack = Stack("network")
    (vpc,) = stack.of_type("AWS::EC2::VPC").values()
    subnets = list(stack.of_type("AWS::EC2::Subnet").values())
    assert len({one["AvailabilityZone"] for one in subnets}) == 2
    halves = list(ipaddress.ip_network(vpc["CidrBlock"]).subnets())
    assert [ipaddress.ip_network(one["CidrBlock"]) for one in subnets] == halves


def test_a_made_network_takes_the_zones_that_are_named() -> None:
    stack = Stack("network", ZoneA="us-east-1c", ZoneB="us-east-1f")
    assert [one["AvailabilityZone"] for one in stack.of_type("AWS::EC2::Subnet").values()] == [
        "us-east-1c",
        "us-east-1f",
    ]


def test_with_a_vpc_of_ones_own_none_is_made() -> None:
    stack = Stack("network", **OWN_VPC)
    assert not stack.of_type("AWS::EC2::VPC")
    assert not stack.of_type("AWS::EC2::Subnet")
    assert stack.outputs["VpcId"] == VPC_ID
    assert stack.outputs["SubnetIds"] == SUBNET_IDS
    assert {one["VpcId"] for one in stack.of_type("AWS::EC2::SecurityGroup").values()} == {VPC_ID}


def test_a_database_of_ones_own_gets_a_rule_and_keeps_its_group() -> None:
    stack = Stack("network", **OWN_VPC, DatabaseSecurityGroupId=DATABASE_GROUP_ID, DatabasePort="6000")
    assert "DatabaseGroup" not in stack.resources
    assert stack.outputs["DatabaseSecurityGroupId"] == DATABASE_GROUP_ID
    assert admitted(stack) == {(DATABASE_GROUP_ID, "<ExecutorGroup>", 6000)}


def admitted(stack: Stack) -> set[tuple[Any, Any, int]]:
    """Return (group, who may connect, port) for each rule. A rule for addresses instead of a group has None."""
    inline = [
        {**rule, "GroupId": f"<{key}>"}
        for key, group in stack.of_type("AWS::EC2::SecurityGroup").items()
        for rule in group.get("SecurityGroupIngress", [])
    ]
    rules = [*inline, *stack.of_type("AWS::EC2::SecurityGroupIngress").values()]
    assert all(rule["FromPort"] == rule["ToPort"] and rule["IpProtocol"] == "tcp" for rule in rules)
    return {(rule["GroupId"], rule.get("SourceSecurityGroupId"), int(rule["FromPort"])) for rule in rules}


def reached(stack: Stack) -> set[tuple[Any, Any, int]]:
    """Return (group, target, port) for each rule, without the rule for this machine itself, which stands for nobody."""
    inline = [
        {**rule, "GroupId": f"<{key}>"}
        for key, group in stack.of_type("AWS::EC2::SecurityGroup").items()
        for rule in group["SecurityGroupEgress"]  # without this property, CloudFormation adds a rule for everything
    ]
    nowhere = [rule for rule in inline if rule.get("CidrIp") == "127.0.0.1/32"]
    rules = [rule for rule in inline if rule not in nowhere]
    rules += stack.of_type("AWS::EC2::SecurityGroupEgress").values()
    assert all(rule["FromPort"] == rule["ToPort"] and rule["IpProtocol"] == "tcp" for rule in rules)
    return {(rule["GroupId"], rule.get("DestinationSecurityGroupId"), int(rule["FromPort"])) for rule in rules}


@pytest.mark.parametrize("parameters", [{}, OWN_VPC])
def test_the_database_admits_the_executor_only_and_the_executor_reaches_the_database_only(
    parameters: dict[str, str],
) -> None:
    stack = Stack("network", **parameters)
    assert admitted(stack) == {("<DatabaseGroup>", "<ExecutorGroup>", 5432)}
    assert reached(stack) == {("<ExecutorGroup>", "<DatabaseGroup>", 5432)}


def test_the_executor_reaches_secrets_manager_only_with_the_endpoint() -> None:
    stack = Stack("network", SecretsEndpoint="true")
    assert admitted(stack) == {
        ("<DatabaseGroup>", "<ExecutorGroup>", 5432),
        ("<EndpointGroup>", "<ExecutorGroup>", 443),
    }
    assert reached(stack) == {
        ("<ExecutorGroup>", "<DatabaseGroup>", 5432),
        ("<ExecutorGroup>", "<EndpointGroup>", 443),
    }
    (endpoint,) = stack.of_type("AWS::EC2::VPCEndpoint").values()
    assert endpoint["SubnetIds"] == ["<SubnetA>", "<SubnetB>"]
    assert endpoint["SecurityGroupIds"] == ["<EndpointGroup>"]


def test_with_an_endpoint_of_ones_own_that_is_reached_and_none_is_made() -> None:
    stack = Stack("network", **OWN_VPC, DatabaseSecurityGroupId="sg-1a1b2c3d", SecretsEndpointGroupId="sg-2a1b2c3d")
    assert admitted(stack) == {
        ("sg-1a1b2c3d", "<ExecutorGroup>", 5432),
        ("sg-2a1b2c3d", "<ExecutorGroup>", 443),
    }
    assert reached(stack) == {
        ("<ExecutorGroup>", "sg-1a1b2c3d", 5432),
        ("<ExecutorGroup>", "sg-2a1b2c3d", 443),
    }
    assert stack.of_type("AWS::EC2::VPCEndpoint") == {}


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({**OWN_VPC, "SecretsEndpoint": "true"}, "set SecretsEndpoint to false"),
        ({}, "name it in VpcId"),
    ],
)
def test_an_endpoint_of_ones_own_is_in_a_vpc_of_ones_own_and_the_only_one(
    parameters: dict[str, str], says: str
) -> None:
    with pytest.raises(RefusedError, match=says):
        Stack("network", **parameters, SecretsEndpointGroupId="sg-2a1b2c3d")


def test_images_are_scanned_immutable_encrypted_and_ten() -> None:
    (repository,) = Stack("network").of_type("AWS::ECR::Repository").values()
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["EncryptionConfiguration"] == {"EncryptionType": "AES256"}
    rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert [(one["selection"]["tagStatus"], one["selection"]["countNumber"]) for one in rules] == [
        ("untagged", 1),
        ("any", 10),
    ]
    assert all(one["action"] == {"type": "expire"} for one in rules)


# The database


@pytest.mark.parametrize("engine", ["postgres", "aurora-postgresql"])
def test_the_database_is_encrypted_protected_backed_up_and_has_no_password_here(engine: str) -> None:
    stack = Stack("database", Engine=engine)
    kind = "AWS::RDS::DBInstance" if engine == "postgres" else "AWS::RDS::DBCluster"
    ((key, database),) = stack.of_type(kind).items()
    assert (database.get("VPCSecurityGroups") or database["VpcSecurityGroupIds"]) == [DATABASE_GROUP_ID]
    assert database["StorageEncrypted"] is True
    assert database["DeletionProtection"] == "true"
    assert database["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in database
    assert database["EnableIAMDatabaseAuthentication"] is True
    assert database["CopyTagsToSnapshot"] is True
    assert int(database["BackupRetentionPeriod"]) >= 7
    assert database["EnableCloudwatchLogsExports"] == ["postgresql"]
    assert stack.resources[key]["DeletionPolicy"] == stack.resources[key]["UpdateReplacePolicy"] == "Snapshot"
    (logs,) = stack.of_type("AWS::Logs::LogGroup").values()
    made_by_rds = "instance" if engine == "postgres" else "cluster"
    assert logs["LogGroupName"] == f"/aws/rds/{made_by_rds}/crud-api-dev/postgresql"
    assert stack.resources[key]["DependsOn"] == "Logs"


@pytest.mark.parametrize("engine", ["postgres", "aurora-postgresql"])
def test_every_server_is_private_kept_up_to_date_and_observed(engine: str) -> None:
    (server,) = Stack("database", Engine=engine).of_type("AWS::RDS::DBInstance").values()
    assert server["PubliclyAccessible"] is False
    assert server["AutoMinorVersionUpgrade"] is True
    assert server["EnablePerformanceInsights"] is True


@pytest.mark.parametrize("engine", ["postgres", "aurora-postgresql"])
def test_the_server_takes_tls_only_and_logs_no_values(engine: str) -> None:
    stack = Stack("database", Engine=engine, EngineVersion="16", MaxConnections="300")
    groups = stack.of_type("AWS::RDS::DBParameterGroup") | stack.of_type("AWS::RDS::DBClusterParameterGroup")
    ((key, group),) = groups.items()
    assert group["Parameters"] == {
        "rds.force_ssl": "1",
        "max_connections": "300",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
    }
    assert group["Family"] == f"{engine}16"
    database = stack.resources["Instance" if engine == "postgres" else "Cluster"]["Properties"]
    assert f"<{key}>" in (database.get("DBParameterGroupName"), database.get("DBClusterParameterGroupName"))


def test_aurora_runs_on_its_capacity_units() -> None:
    stack = Stack("database", Engine="aurora-postgresql")
    (cluster,) = stack.of_type("AWS::RDS::DBCluster").values()
    (server,) = stack.of_type("AWS::RDS::DBInstance").values()
    assert cluster["ServerlessV2ScalingConfiguration"] == {"MinCapacity": "0.5", "MaxCapacity": "2"}
    assert server["DBInstanceClass"] == "db.serverless"
    assert server["DBClusterIdentifier"] == "<Cluster>"
    assert "DatabaseInstance" not in stack.outputs


def test_without_a_proxy_the_database_stack_opens_nothing() -> None:
    stack = Stack("database")
    assert admitted(stack) == reached(stack) == set()
    assert stack.outputs["DatabaseHost"] == stack.outputs["OwnerHost"]


@pytest.mark.parametrize("engine", ["postgres", "aurora-postgresql"])
def test_a_proxy_stands_between_the_executor_and_the_database_and_takes_tls_and_tokens_only(engine: str) -> None:
    stack = Stack("database", Engine=engine, Proxy="true")
    assert admitted(stack) == {
        ("<ProxyGroup>", EXECUTOR_GROUP_ID, 5432),
        (DATABASE_GROUP_ID, "<ProxyGroup>", 5432),
    }
    assert reached(stack) == {(EXECUTOR_GROUP_ID, "<ProxyGroup>", 5432), ("<ProxyGroup>", DATABASE_GROUP_ID, 5432)}
    (proxy,) = stack.of_type("AWS::RDS::DBProxy").values()
    assert proxy["RequireTLS"] is True
    assert proxy["DefaultAuthScheme"] == "IAM_AUTH"
    assert "Auth" not in proxy
    (targets,) = stack.of_type("AWS::RDS::DBProxyTargetGroup").values()
    target = {key: value for key, value in targets.items() if key.startswith("DB") and key != "DBProxyName"}
    assert target == (
        {"DBInstanceIdentifiers": ["<Instance>"]} if engine == "postgres" else {"DBClusterIdentifiers": ["<Cluster>"]}
    )
    assert stack.outputs["DatabaseHost"] == "<DatabaseProxy.Endpoint>"
    assert stack.outputs["DatabaseResourceId"] == "prx-0a1b"
    assert "Proxy" not in stack.outputs["OwnerHost"]
    assert stack.outputs["CaBundle"] == "/etc/pki/tls/certs/ca-bundle.crt"


# The executor


def environment(stack: Stack, function: str) -> dict[str, str]:
    return dict(stack.of_type("AWS::Lambda::Function")[function]["Environment"]["Variables"])


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_function_and_alias_are_those_that_the_api_invokes(stage: str) -> None:
    stack = Stack("executor", Stage=stage)
    (alias,) = stack.of_type("AWS::Lambda::Alias").values()
    function = stack.of_type("AWS::Lambda::Function")["Executor"]
    config = CLIFactory(".").create_config_obj(chalice_stage_name=stage)
    invoked = config.environment_variables["QUERY_EXECUTOR_FUNCTION"]
    assert invoked == f"{function['FunctionName']}:{alias['Name']}"
    assert alias["FunctionVersion"] == "<Version.Version>"


def test_a_release_makes_a_new_version_and_keeps_the_old_one() -> None:
    stack = Stack("executor", Release="feedc0de")
    assert stack.resources["Version"]["Properties"]["Description"] == "feedc0de"
    assert stack.resources["Version"]["UpdateReplacePolicy"] == "Retain"
    assert "feedc0de" in stack.of_type("AWS::Lambda::Function")["Executor"]["Description"]


def test_the_executor_is_what_the_parameters_say() -> None:
    stack = Stack("executor", MemorySize="1024", Timeout="20", ReservedConcurrency="7", StatementMs="100", LockMs="50")
    function = stack.of_type("AWS::Lambda::Function")["Executor"]
    assert (function["MemorySize"], function["Timeout"], function["ReservedConcurrentExecutions"]) == (
        "1024",
        "20",
        "7",
    )
    assert "ImageConfig" not in function
    assert environment(stack, "Executor") == {
        "DB_HOST": "db.example",
        "DB_PORT": "5432",
        "DB_NAME": "crud_api",
        "DB_USER": "query_executor",
        "DB_IAM_AUTH": "true",
        "EXECUTOR_MODE": "read_write",
        "STATEMENT_MS": "100",
        "LOCK_MS": "50",
    }


def test_the_migrations_are_the_same_image_as_the_owner_and_one_at_a_time() -> None:
    stack = Stack("executor", OwnerHost="direct.example", DatabaseHost="proxy.example")
    executor, migrations = (stack.of_type("AWS::Lambda::Function")[one] for one in ("Executor", "Migrations"))
    assert migrations["Code"] == executor["Code"]
    assert migrations["ImageConfig"] == {"Command": ["query_executor.migrate.handle"]}
    assert migrations["ReservedConcurrentExecutions"] == 1
    assert migrations["Role"] != executor["Role"]
    assert environment(stack, "Migrations") == {
        "DB_HOST": "direct.example",
        "DB_PORT": "5432",
        "DB_NAME": "crud_api",
        "DB_SECRET_ARN": REQUIRED["executor"]["OwnerSecretArn"],
    }
    (once,) = stack.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert once["MaximumRetryAttempts"] == 0


@pytest.mark.parametrize("function", ["Executor", "Migrations"])
@pytest.mark.parametrize("parameters", [one for name, one in VARIANTS if name == "executor"])
def test_a_function_has_one_way_to_sign_in_and_no_password(parameters: dict[str, str], function: str) -> None:
    variables = environment(Stack("executor", **parameters), function)
    assert len(variables.keys() & {"DB_IAM_AUTH", "DB_SECRET_ARN"}) == 1
    assert ("DB_USER" in variables) == ("DB_IAM_AUTH" in variables)
    assert "DB_PASSWORD" not in variables


def test_provisioned_concurrency_and_tracing_are_off_until_asked_for() -> None:
    plain = Stack("executor")
    warm = Stack("executor", ProvisionedConcurrency="3", Tracing="true")
    assert "ProvisionedConcurrencyConfig" not in plain.resources["Live"]["Properties"]
    assert warm.resources["Live"]["Properties"]["ProvisionedConcurrencyConfig"] == {
        "ProvisionedConcurrentExecutions": "3"
    }
    modes = [one.of_type("AWS::Lambda::Function")["Executor"]["TracingConfig"]["Mode"] for one in (plain, warm)]
    assert modes == ["PassThrough", "Active"]


def test_functions_log_json_into_their_own_group_which_is_not_kept_for_ever() -> None:
    stack = Stack("executor", LogRetentionDays="14")
    functions = stack.of_type("AWS::Lambda::Function")
    for key, function in functions.items():
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        assert function["LoggingConfig"]["ApplicationLogLevel"] == "INFO"  # at WARN there would be no metrics
        assert function["LoggingConfig"]["LogGroup"] == f"<{key}Logs>"
        group = stack.of_type("AWS::Logs::LogGroup")[f"{key}Logs"]
        assert group["LogGroupName"] == f"/aws/lambda/{function['FunctionName']}"


@variants
def test_no_log_is_kept_for_ever(name: str, parameters: dict[str, str]) -> None:
    days = {"LogRetentionDays": "14"} if "LogRetentionDays" in load(name)["Parameters"] else {}
    for group in Stack(name, **parameters, **days).of_type("AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == "14"


# Observability


def alarms(**parameters: str) -> dict[str, Any]:
    found = Stack("observability", **parameters).of_type("AWS::CloudWatch::Alarm").values()
    return {one["AlarmName"]: one for one in found}


def test_each_illness_has_an_alarm() -> None:
    of_stage = {
        f"crud-api-dev-{name}"
        for name in ("api-5xx", "api-p99", "executor-errors", "executor-throttles", "executor-time-outs")
    }
    assert set(alarms()) == of_stage
    assert set(alarms(DatabaseCluster="c")) == of_stage | {"crud-api-dev-database-connections"}
    assert set(alarms(DatabaseInstance="i")) == of_stage | {
        "crud-api-dev-database-connections",
        "crud-api-dev-database-storage",
    }


def test_every_alarm_goes_to_the_topic_and_says_what_to_do() -> None:
    for alarm in alarms(DatabaseInstance="i").values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == ["<Alarms>"]
        assert len(alarm["AlarmDescription"]) > 40
        assert alarm["TreatMissingData"] == "notBreaching"


def test_alarms_watch_the_metrics_of_their_own_stage() -> None:
    watched = {
        (alarm["Namespace"], alarm["MetricName"], tuple(sorted(one["Value"] for one in alarm["Dimensions"])))
        for alarm in alarms(DatabaseInstance="db-1", ApiStage="v1").values()
        if "MetricName" in alarm
    }
    executor = "crud-api-dev-query-executor"
    assert watched == {
        ("AWS/ApiGateway", "Latency", ("crud-api", "v1")),
        ("AWS/Lambda", "Errors", (executor,)),
        ("AWS/Lambda", "Throttles", (executor,)),
        ("AWS/Lambda", "Duration", (executor,)),
        ("AWS/RDS", "DatabaseConnections", ("db-1",)),
        ("AWS/RDS", "FreeStorageSpace", ("db-1",)),
    }
    metrics = {one["Id"]: one for one in alarms()["crud-api-dev-api-5xx"]["Metrics"]}
    assert metrics["errors"]["MetricStat"]["Metric"]["MetricName"] == "5XXError"
    assert metrics["requests"]["MetricStat"]["Metric"]["MetricName"] == "Count"
    assert [one["ReturnData"] for one in metrics.values()] == [True, False, False]


def test_the_time_out_alarm_rings_before_the_executor_is_cut_off() -> None:
    near = int(load("observability")["Parameters"]["NearTimeoutMs"]["Default"])
    timeout_s = (
        CLIFactory(".").create_config_obj(chalice_stage_name="dev").scope("dev", "query_executor").lambda_timeout
    )
    assert 0.8 * timeout_s * 1000 < near < timeout_s * 1000


@pytest.mark.parametrize("parameters", [{}, {"DatabaseInstance": "i"}, {"DatabaseCluster": "c"}])
def test_the_dashboard_has_the_alarms_metrics_and_the_executors_own(parameters: dict[str, str]) -> None:
    (dashboard,) = Stack("observability", **parameters).of_type("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(dashboard["DashboardBody"])["widgets"]
    shown = {tuple(metric[:2]) for widget in widgets for metric in widget["properties"]["metrics"]}
    assert {("QueryExecutor", name) for name in ("duration_ms", "rows", "bytes", "failures")} <= shown
    for alarm in alarms(**parameters).values():
        if "MetricName" in alarm:
            assert (alarm["Namespace"], alarm["MetricName"]) in shown
    assert all(value for widget in widgets for metric in widget["properties"]["metrics"] for value in metric)


def test_an_e_mail_address_is_subscribed_when_there_is_one() -> None:
    assert not Stack("observability").of_type("AWS::SNS::Subscription")
    (email,) = Stack("observability", AlarmEmail="ops@example.com").of_type("AWS::SNS::Subscription").values()
    assert (email["Protocol"], email["Endpoint"]) == ("email", "ops@example.com")


def test_the_log_groups_of_the_api_have_the_names_that_lambda_and_the_deploy_use() -> None:
    config = CLIFactory(".").create_config_obj(chalice_stage_name="dev")
    groups = [one["LogGroupName"] for one in Stack("observability").of_type("AWS::Logs::LogGroup").values()]
    assert groups == [f"/aws/lambda/{config.app_name}-dev", f"/{config.app_name}/dev/access"]


# Suppressions


@names
def test_every_suppression_has_its_reason_beside_it(name: str) -> None:
    for key, resource in load(name)["Resources"].items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            assert len(skip["comment"]) > 40, (key, skip["id"])
    ignored = [line for line in path(name).read_text().splitlines() if "ignore_checks" in line]
    assert all(re.search(r"# .{20}", line) for line in ignored)


def test_nobody_signs_up_alone_and_no_user_changes_what_a_policy_may_read() -> None:
    stack = Stack("users")
    (pool,) = stack.of_type("AWS::Cognito::UserPool").values()
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert pool["UsernameAttributes"] == ["email"]
    (client,) = stack.of_type("AWS::Cognito::UserPoolClient").values()
    # Without the list, or with an empty list, Cognito lets a user write every attribute.
    assert client["WriteAttributes"] == ["locale"]
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client["GenerateSecret"] is False
    assert "ALLOW_CUSTOM_AUTH" not in client["ExplicitAuthFlows"]


def test_the_users_have_a_second_factor_if_they_want_and_outlive_their_stack() -> None:
    (pool,) = Stack("users").of_type("AWS::Cognito::UserPool").values()
    assert (pool["MfaConfiguration"], pool["EnabledMfas"]) == ("OPTIONAL", ["SOFTWARE_TOKEN_MFA"])
    assert pool["DeletionProtection"] == "ACTIVE"
    declared = load("users")["Resources"]["Users"]
    assert (declared["DeletionPolicy"], declared["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] >= 12


def test_a_token_lasts_an_hour() -> None:
    (client,) = Stack("users").of_type("AWS::Cognito::UserPoolClient").values()
    assert (client["IdTokenValidity"], client["TokenValidityUnits"]["IdToken"]) == (60, "minutes")
