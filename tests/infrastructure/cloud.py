"""An AWS account on loopback for a whole deploy, and the API that the smoke test of the deploy calls.

The code here stands before moto's server and adds what moto 5.2 lacks:
- moto imports only OpenAPI 3, and Chalice sends Swagger 2.0, so the definition is converted.
- moto runs no functions, so the migrations run here, on a real database.
- moto forgets how a function logs, so the settings are kept here.
- moto has no gateway, so the API is served here. A caller needs a key of the account.
- moto allows everything to everybody, so a command may only do what the role of infra/templates/github-oidc.yaml may.
A test can hold a response back, or let CloudFormation report that it is busy.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlencode
from urllib.request import Request, urlopen
from xml.sax.saxutils import escape

import boto3
from moto.apigateway.models import apigateway_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from query_executor.contract import Failure, encode_answer
from query_executor.handler import create_local_handler
from query_executor.migrate import MigrationError
from query_executor.migrate.handler import answer
from tests.functional.client import Api, api_on
from tests.infrastructure import emulated
from tests.infrastructure.deploy_role import STAGES, role_of
from tests.infrastructure.rights import Context, Right, needed, pushed, signed
from tests.infrastructure.templates import ACCOUNT, OWNER_SECRET, REGION

Environ = dict[str, Any]
Json = dict[str, Any]
StartResponse = Callable[..., Any]

# Parts of templates at which moto fails, and their replacements. test_templates.py tests the real parts.
_BRIDGE = {
    "      DBParameterGroupName: !Ref InstanceParameters\n": "",  # moto takes the group itself as its name
    "!GetAtt Instance.Endpoint.Address": "db.example",
    "!GetAtt Instance.DbiResourceId": "db-ABC",
    "!GetAtt Instance.MasterUserSecret.SecretArn": OWNER_SECRET,
}
_MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 1,
        "digest": "sha256:" + "0" * 64,
    },
    "layers": [],
}


@dataclass(frozen=True)
class Call:
    """A request to AWS. `action` is the name of CloudFormation's action or of a target, or else method and path."""

    action: str
    body: str


@dataclass
class Hold:
    """Holds back the response to the first call that fits, after the call has had its effect."""

    fits: Callable[[Call], bool]
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@dataclass
class Cloud:
    """An account, and what a test can set in it. `url` leads to AWS, `api_url` to the API.

    `busy` are the statuses that a stack reports before its real status. `events` are (resource, type, status, reason)
    that CloudFormation reports before its own events; the newest comes first. `late_events` is how many requests for
    events, after a change set was executed, get none of them. `migrations` makes the status, headers and payload that
    the function of the migrations returns instead of running. With `waits_for_restart`, the database needs a restart.
    The API fails at requests with `broken_method`, with the body `broken_body`. With `is_open` it needs no key. API
    Gateway answers the next requests with the statuses in `not_yet`; an empty status lets the request pass. Nobody has
    the right to the action `denied` of IAM. The role is limited to the API `rest_api_id`. `used` are the rights that
    the role has used, and `refused` the rights that it lacked. The account may run `concurrency` functions at once.
    The executor signs in by `executors_url`, if it is not the owner. It cannot reach `hosts_down`, and the
    `broken_images` do not run.
    """

    url: str
    database_url: str
    hold: Hold | None = None
    calls: list[Call] = field(default_factory=list)
    busy: dict[str, list[str]] = field(default_factory=dict)
    events: list[tuple[str, str, str, str]] = field(default_factory=list)
    late_events: int = 0
    migrations: Callable[[str], tuple[str, dict[str, str], Any]] | None = None
    waits_for_restart: bool = False
    broken_method: str = ""
    is_open: bool = False
    not_yet: list[str] = field(default_factory=list)
    denied: str = ""
    rest_api_id: str = ""
    used: set[Right] = field(default_factory=set)
    refused: list[Right] = field(default_factory=list)
    concurrency: int = 1000
    executors_url: str = ""
    hosts_down: set[str] = field(default_factory=set)
    broken_images: set[str] = field(default_factory=set)
    broken_body: bytes = b"broken"
    regions: set[str] = field(default_factory=lambda: {REGION})
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        return f"{self.url}/the-api"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "dev",  # the stage of the role; the clients of a test may do everything
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str, region: str = REGION) -> Any:
        if (service, region) not in self._clients:
            self._clients[service, region] = _session().client(service, endpoint_url=self.url, region_name=region)
        return self._clients[service, region]


@cache
def _session() -> Any:
    """One session for all accounts, because it reads the long descriptions of the services."""
    return boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


class _Quiet(MotoRequestHandler):
    def log_request(self, *_arguments: Any) -> None:
        pass


class _Front:
    """The WSGI application before moto's application."""

    def __init__(self, moto: Any) -> None:
        self.moto = moto
        self.cloud: Cloud
        self.api: Api
        self._bridged: dict[str, str] = {}
        self._change_sets: dict[str, dict[str, str]] = {}
        self._logging: dict[str, Json] = {}
        self._executed = False
        self._told = ""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:  # noqa: PLR0911 - one each
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path.startswith("/the-api/"):
            return self._serve_api(environ, body, start_response)
        if path.startswith("/code/"):
            start_response("200 OK", [("Content-Type", "application/zip")])
            return [emulated.code_of(*path.split("/")[2:])]
        if path == "/docker/push":
            return self._take_image(body.decode(), start_response)
        call = Call(_action(environ, body), body.decode(errors="replace"))
        self.cloud.calls.append(call)
        key, service, region = signed(environ)
        self.cloud.regions.add(region or REGION)
        if key in STAGES and (lacks := self._lacking(key, needed(service, environ, body, _context(region)))):
            return _refuse(lacks, environ, start_response)
        if path.startswith("/tags/") and method == "PUT":
            emulated.tag(region, path, body)
            start_response("204 No Content", [])
            return []
        if invoked := re.fullmatch("/2015-03-31/functions/([^/:]+-query-executor)(?::([^/]+))?/invocations", path):
            version = invoked[2] or parse_qs(environ["QUERY_STRING"]).get("Qualifier", ["live"])[0]
            return self._hold(call, self._execute_sql(region, invoked[1], version, body, start_response))
        if path == "/2016-08-19/account-settings":
            return self._hold(call, self._tell_limit(start_response))
        if path == "/2015-03-31/functions/crud-api-dev-migrations/invocations":
            return self._hold(call, self._migrate(body, start_response))
        is_import = (method, path) == ("POST", "/restapis") and "mode=import" in environ["QUERY_STRING"]
        if is_import or (method == "PUT" and re.fullmatch("/restapis/[^/]+", path)):
            body = _openapi(body)
        if call.action == "CreateChangeSet":
            self._executed = False
            body = self._bridge(body)
        if call.action == "DeleteStack":
            self._empty_repository(parse_qs(body.decode())["StackName"][0], region)
        if call.action == "ExecuteChangeSet":
            return self._hold(call, self._execute(parse_qs(body.decode()), region, start_response))
        environ = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return self._hold(call, self._answer(call, environ, region, start_response))

    def _lacking(self, stage: str, rights: list[Right]) -> Right | None:
        """Return the first of these rights that the role of the stage lacks."""
        role = role_of(stage, self.cloud.rest_api_id)
        for one in rights:
            if one.action == self.cloud.denied or not one.is_given_by(role):
                self.cloud.refused.append(one)
                return one
            self.cloud.used.add(one)
        return None

    def _hold(self, call: Call, answer: list[bytes]) -> list[bytes]:
        hold = self.cloud.hold
        if hold is not None and not hold.reached.is_set() and hold.fits(call):
            hold.reached.set()
            hold.go_on.wait(60)
        return answer

    def _answer(self, call: Call, environ: Environ, region: str, start_response: StartResponse) -> list[bytes]:
        started: list[Any] = []
        with _stage_kept(call, region or REGION):
            answer = b"".join(self.moto(environ, lambda *given: started.extend(given[:2])))
        status, headers = started
        text = answer.decode(errors="surrogateescape")
        if call.action == "GetTemplate":
            for bridged, original in self._bridged.items():
                text = text.replace(escape(bridged), escape(original)).replace(_quoted(bridged), _quoted(original))
        if call.action == "DescribeStacks":
            # moto returns a list that was sent as a,b in Python's notation.
            text = re.sub(r"\['([^]<]*)'\]<", lambda match: match[1].replace("', '", ",") + "<", text)
            for stack, statuses in self.cloud.busy.items():
                if statuses and f"<StackName>{stack}</StackName>" in text:
                    text = re.sub("<StackStatus>[A-Z_]+<", f"<StackStatus>{statuses.pop(0)}<", text)
        if call.action == "DescribeStackEvents" and self._executed and self.cloud.late_events:
            self.cloud.late_events -= 1
            text = self._told
        elif call.action == "DescribeStackEvents":
            self._told = text
            if self._executed:
                text = text.replace("<StackEvents>", "<StackEvents>" + "".join(map(_event, self.cloud.events)))
        elif call.action == "DescribeDBInstances" and self.cloud.waits_for_restart:
            text = text.replace("in-sync", "pending-reboot")
        elif match := re.fullmatch("(GET|PUT|DELETE) /2015-03-31/functions/([^/]+)(/configuration)?", call.action):
            text = self._logged(match[1], match[2], call.body, text)
        # The URL of the code of a function.
        text = re.sub(r"https://awslambda-[^\"]+/([a-z0-9-]+?)-[0-9a-f]{8}-[0-9a-f-]+", self._code_url(region), text)
        answer = text.encode(errors="surrogateescape")
        start_response(status, [(key, one) for key, one in headers if key.lower() != "content-length"])
        return [answer]

    def _code_url(self, region: str) -> str:
        return rf"{self.cloud.url}/code/{region}/\1"

    def _logged(self, method: str, function: str, body: str, text: str) -> str:
        """Keep how a function logs, report it, and forget it when the function is deleted."""
        if method == "DELETE":
            self._logging.pop(function, None)
        elif method == "PUT" and (said := json.loads(body).get("LoggingConfig")):
            self._logging[function] = said
        elif method == "GET" and function in self._logging:
            told = json.loads(text)
            told.get("Configuration", told)["LoggingConfig"] = self._logging[function]
            text = json.dumps(told)
        return text

    def _bridge(self, body: bytes) -> bytes:
        form = {key: values[0] for key, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        original = template = form["TemplateBody"]
        for cannot, instead in _BRIDGE.items():
            template = template.replace(cannot, instead)
        self._bridged[template] = original
        form["TemplateBody"] = template
        self._change_sets[form["ChangeSetName"]] = form
        return urlencode(form).encode()

    def _execute(self, form: dict[str, list[str]], region: str, start_response: StartResponse) -> list[bytes]:
        """Update the stack without a change set. moto's change sets do not change outputs and parameters."""
        self._executed = True
        name = form["ChangeSetName"][0].partition("changeSet/")[2].partition("/")[0]
        told = self._change_sets[name]
        keys = [key for key in told if key.endswith(".ParameterKey")]
        stack: dict[str, Any] = {
            "StackName": told["StackName"],
            "TemplateBody": told["TemplateBody"],
            "Parameters": [
                {"ParameterKey": told[key], "ParameterValue": told[key.replace("ParameterKey", "ParameterValue")]}
                for key in keys
            ],
            "Tags": [
                {"Key": told[key], "Value": told[key.replace(".Key", ".Value")]}
                for key in told
                if re.fullmatch(r"Tags\.member\.\d+\.Key", key)
            ],
        }
        client = self.cloud.client("cloudformation", region)
        if told["ChangeSetType"] == "CREATE":
            client.delete_stack(StackName=told["StackName"])
            client.create_stack(**stack)
        else:
            client.update_stack(**stack)
        if stack["StackName"].endswith("-executor"):
            self._point_alias(stack, region)
        start_response("200 OK", [("Content-Type", "text/xml")])
        return [b"<ExecuteChangeSetResponse><ExecuteChangeSetResult/></ExecuteChangeSetResponse>"]

    def _point_alias(self, stack: dict[str, Any], region: str) -> None:
        """Make or move the alias `live`. moto does not make it from a stack."""
        client, told = (
            self.cloud.client("lambda", region),
            {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]},
        )
        function = f"crud-api-{told['Stage']}-query-executor"
        published = client.list_versions_by_function(FunctionName=function)["Versions"][-1]["Version"]
        wanted = {"FunctionName": function, "Name": "live"}
        version = told.get("LiveVersion") or published
        try:
            client.update_alias(**wanted, FunctionVersion=version)
        except client.exceptions.ResourceNotFoundException:
            client.create_alias(**wanted, FunctionVersion=version)

    def _execute_sql(
        self, region: str, function: str, version: str, body: bytes, start_response: StartResponse
    ) -> list[bytes]:
        """Answer like a version of the executor. Its setting DB_HOST decides whether it reaches the database."""
        client = self.cloud.client("lambda", region)
        told = client.get_function(FunctionName=function, Qualifier=version)
        variables = told["Configuration"]["Environment"]["Variables"]
        answer: Any
        headers = []
        if told["Code"]["ImageUri"] in self.cloud.broken_images:
            headers = [("X-Amz-Function-Error", "Unhandled")]
            answer = {"errorType": "Runtime.ExitError", "errorMessage": "RequestId: 1 Error: Runtime exited"}
        elif variables["DB_HOST"] in self.cloud.hosts_down:
            answer = encode_answer(Failure("unavailable", f"timeout expired: {variables['DB_HOST']}", retryable=True))
        else:
            url = self.cloud.executors_url or self.cloud.database_url
            answer = create_local_handler(url)(json.loads(body), None)
        start_response("200 OK", [("Content-Type", "application/json"), *headers])
        return [json.dumps(answer).encode()]

    def _empty_repository(self, stack: str, region: str) -> None:
        """Empty a repository like EmptyOnDelete, which moto ignores."""
        ecr = self.cloud.client("ecr", region)
        for repository in ecr.describe_repositories()["repositories"] if stack.endswith("-network") else []:
            ids = ecr.list_images(repositoryName=repository["repositoryName"])["imageIds"]
            if ids:
                ecr.batch_delete_image(repositoryName=repository["repositoryName"], imageIds=ids)

    def _migrate(self, body: bytes, start_response: StartResponse) -> list[bytes]:
        url, stand_in = self.cloud.database_url, self.cloud.migrations
        status, headers, payload = stand_in(url) if stand_in else _migrated(url, json.loads(body))
        start_response(status, [("Content-Type", "application/json"), *headers.items()])
        return [json.dumps(payload).encode()]

    def _tell_limit(self, start_response: StartResponse) -> list[bytes]:
        """Return the limit of the account. moto has none."""
        start_response("200 OK", [("Content-Type", "application/json")])
        limit = dict.fromkeys(("ConcurrentExecutions", "UnreservedConcurrentExecutions"), self.cloud.concurrency)
        return [json.dumps({"AccountLimit": limit}).encode()]

    def _serve_api(self, environ: Environ, body: bytes, start_response: StartResponse) -> list[bytes]:
        """Serve the API like API Gateway: a caller needs a key of this account."""
        if environ["REQUEST_METHOD"] == self.cloud.broken_method:
            start_response("500 Internal Server Error", [])
            return [self.cloud.broken_body]
        if self.cloud.not_yet and (says := self.cloud.not_yet.pop(0)):
            start_response(says, [])
            return [b""]
        keys = [
            one
            for region in self.cloud.regions
            for one in self.cloud.client("apigateway", region).get_api_keys(includeValues=True)["items"]
        ]
        if not self.cloud.is_open and environ.get("HTTP_X_API_KEY") not in {one["value"] for one in keys}:
            start_response("403 Forbidden", [("Content-Type", "application/problem+json")])
            return [b'{"status": 403}']
        path = environ["PATH_INFO"].removeprefix("/the-api")
        query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
        sent = {"content_type": environ["CONTENT_TYPE"]} if environ.get("CONTENT_TYPE") else {}
        answer = self.api(environ["REQUEST_METHOD"], path + query, body or None, **sent)
        status = HTTPStatus(answer.status)
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
        return [answer.body]

    def _take_image(self, uri: str, start_response: StartResponse) -> list[bytes]:
        repository, _, tag = uri.partition("/")[2].partition(":")
        if lacks := self._lacking("dev", pushed(repository)):
            start_response("403 Forbidden", [])
            return [_says(lacks).encode()]
        self.cloud.client("ecr", uri.split(".")[3]).put_image(
            repositoryName=repository, imageManifest=json.dumps({**_MANIFEST, "tag": tag}), imageTag=tag
        )
        start_response("200 OK", [])
        return []


def protect(cloud: Cloud, database: str, stack: str) -> None:
    """Tag a database with its stack and protect it, as CloudFormation does. moto does neither."""
    rds = cloud.client("rds")
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=database)["DBInstances"]
    rds.modify_db_instance(DBInstanceIdentifier=database, DeletionProtection=True)
    (made,) = cloud.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    tag = {"Key": "aws:cloudformation:stack-id", "Value": made["StackId"]}
    rds.add_tags_to_resource(ResourceName=found["DBInstanceArn"], Tags=[tag])


def failed(kind: str, message: str) -> tuple[str, dict[str, str], Any]:
    """The answer of Lambda for a function that raised, or that Lambda ended."""
    return "200 OK", {"X-Amz-Function-Error": "Unhandled"}, {"errorType": kind, "errorMessage": message}


def _migrated(database_url: str, event: Any) -> tuple[str, dict[str, str], Any]:
    try:
        return "200 OK", {}, answer(database_url, event)
    except MigrationError as error:
        return failed(type(error).__name__, str(error))


@cache
def _moto() -> DomainDispatcherApplication:
    """One application for all accounts, because it is slow to make. Each account empties it first."""
    return DomainDispatcherApplication(create_backend_app)


@contextmanager
def running(database_url: str) -> Iterator[Cloud]:
    """Run an empty account. Its migrations and its API use this database."""
    front = _Front(_moto())
    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=_Quiet)
    front.cloud = Cloud(f"http://127.0.0.1:{server.server_port}", database_url)
    front.api = api_on(database_url)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with urlopen(Request(f"{front.cloud.url}/moto-api/reset", method="POST")):  # noqa: S310 - the server above
            pass
        _make_boundaries(front.cloud)
        front.cloud.calls.clear()
        yield front.cloud
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _make_boundaries(cloud: Cloud) -> None:
    """Make the policies and the role of infra/templates/github-oidc.yaml that an administrator makes."""
    iam = cloud.client("iam")
    for stage in STAGES:
        (document,) = (
            one["PolicyDocument"]
            for name, one in role_of(stage).of_type("AWS::IAM::ManagedPolicy").items()
            if name == "Boundary"
        )
        iam.create_policy(PolicyName=f"github-crud-api-{stage}-boundary", PolicyDocument=json.dumps(document))
    iam.create_role(RoleName="github-crud-api-gateway-logs", AssumeRolePolicyDocument="{}")


@contextmanager
def _stage_kept(call: Call, region: str) -> Iterator[None]:
    """Keep the settings of a stage through a new deployment, as AWS does. moto makes a new stage."""
    match = re.fullmatch("POST /restapis/([^/]+)/deployments", call.action)
    stages = apigateway_backends[ACCOUNT][region].apis[match[1]].stages if match else {}
    before = dict(stages)
    yield
    for name, stage in before.items():
        stage.deployment_id = stages[name].deployment_id
        stages[name] = stage


def _event(told: tuple[str, str, str, str]) -> str:
    resource, kind, status, reason = told
    return (
        f"<member><EventId>{resource}-{status}</EventId><LogicalResourceId>{resource}</LogicalResourceId>"
        f"<ResourceType>{kind}</ResourceType><ResourceStatus>{status}</ResourceStatus>"
        f"<ResourceStatusReason>{escape(reason)}</ResourceStatusReason></member>"
    )


def _action(environ: Environ, body: bytes) -> str:
    if "HTTP_X_AMZ_TARGET" in environ:
        return str(environ["HTTP_X_AMZ_TARGET"]).rpartition(".")[2]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode()).get("Action", [""])[0]
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"


def _refuse(right: Right, environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Refuse like IAM, in the format of the service."""
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        start_response("403 Forbidden", [("Content-Type", "text/xml")])
        error = f"<Error><Code>AccessDenied</Code><Message>{escape(_says(right))}</Message></Error>"
        return [f"<R>{error}<Errors>{error}</Errors></R>".encode()]  # <Errors> is the format of EC2
    start_response(
        "403 Forbidden", [("Content-Type", "application/json"), ("x-amzn-ErrorType", "AccessDeniedException")]
    )
    return [json.dumps({"__type": "AccessDeniedException", "message": _says(right)}).encode()]


def _says(right: Right) -> str:
    return f"User: me is not authorized to perform: {right.action} on resource: {right.resource}"


def _openapi(body: bytes) -> bytes:
    """Convert Swagger 2.0 to OpenAPI 3, as far as moto reads it: paths, methods and their integrations."""
    swagger = json.loads(body)
    return json.dumps(
        {
            "openapi": "3.0.1",
            "info": {"description": "", **swagger["info"]},
            "paths": {
                path: {
                    method: {"responses": {"200": {"description": ""}}, **_integration(operation)}
                    for method, operation in methods.items()
                }
                for path, methods in swagger["paths"].items()
            },
        }
    ).encode()


def _context(region: str) -> Context:
    return Context(tags=lambda path: emulated.tags_of(region or REGION, path), boundary=emulated.boundary_of)


def _integration(operation: dict[str, Any]) -> dict[str, Any]:
    name = "x-amazon-apigateway-integration"
    return {name: operation[name]} if name in operation else {}


def _quoted(text: str) -> str:
    return json.dumps(text)[1:-1]
