"""What a view takes from Chalice's request. Each value is decoded once, or an error says why it cannot be."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

from chalice.app import Request

from crud_api.errors import BodyTooLargeError, MalformedBodyError, NotFoundError, UnsupportedMediaTypeError
from crud_api.request.body import SEND_JSON, parse_json, parse_object
from crud_api.resource import Resource
from crud_api.resource.resource import KeyValues
from crud_api.settings import MAX_BODY_BYTES
from query_executor.contract import Value

_JSON_TYPES = frozenset({"application/json", "application/merge-patch+json"})  # the route says which of them it takes
_BITS = 63  # of a whole number that a key may hold


def collection_path(request: Request) -> str:
    """The path as the client knows it: API Gateway's stage, or a custom domain's base path, included."""
    return str(request.context["path"])


def path_parameter(request: Request, name: str) -> str:
    """A parameter of the path, as the event has it."""
    return str((request.uri_params or {})[name])


def decoded_parameter(request: Request, name: str) -> str:
    """A parameter of the path, decoded. API Gateway decodes path parameters, Chalice's local server does not."""
    text = path_parameter(request, name)
    return text if "stage" in request.context else unquote(text)


def nested_path(request: Request, resource: Resource, name: str) -> str:
    """The path of a row's `name`, as the client knows it. API Gateway's own path has the key decoded."""
    key = ",".join(quote(part, safe="") for part in _key_texts(resource, request))
    return f"{_before(request, resource, name)}/{resource.name}/{key}/{name}"


def _before(request: Request, resource: Resource, name: str) -> str:
    """What comes before the API's own path: a stage or a custom domain's base path, which may be any text."""
    path = collection_path(request).rstrip("/")
    own = f"/{resource.name}/{path_parameter(request, resource.key_parameter)}/{name}"
    # A path that is not decoded has no slash within the key.
    return path.removesuffix(own) if path.endswith(own) else path.rsplit("/", 3)[0]


def query_parameters(request: Request) -> dict[str, list[str]]:
    """The query's parameters, repeated ones included."""
    parameters = request.query_params
    return {} if parameters is None else {name: parameters.getlist(name) for name in parameters}


def key_of(resource: Resource, request: Request) -> KeyValues:
    """The key in the path. Raises `NotFoundError` if a column's type cannot hold its part: no row has such a key."""
    names, texts = resource.key_columns, _key_texts(resource, request)
    if len(texts) != len(names):
        raise not_found(resource)
    try:
        if len(names) == 1:
            return (_value(resource, names[0], texts[0]),)
        return tuple(_value(resource, *part) for part in zip(names, texts, strict=True))
    except ValueError:
        raise not_found(resource) from None


def _value(resource: Resource, name: str, text: str) -> Value:
    value = resource.fields[name].column.parse_text(text)
    # As a number of a larger type than the column's, PostgreSQL would look for it without the index.
    return str(value) if type(value) is int and value.bit_length() > _BITS else value


def _key_texts(resource: Resource, request: Request) -> list[str]:
    """The parts of the key in the path, decoded. Between them are commas: a comma within a part is %2C."""
    if len(resource.key_columns) == 1:
        return [decoded_parameter(request, resource.key_parameter)]
    text = path_parameter(request, resource.key_parameter)
    if "stage" in request.context:
        text = _as_sent(request, text)
    return [unquote(part) for part in text.split(",")]


def _as_sent(request: Request, decoded: str) -> str:
    """A path parameter as it stands in the URL, where a comma within a part still differs from a comma between parts.

    A path that comes decoded does not tell them apart: every comma is then between parts.
    """
    segments = collection_path(request).split("/")
    return next((one for one in reversed(segments) if decoded in {one, unquote(one)}), quote(decoded, safe=","))


def not_found(resource: Resource) -> NotFoundError:
    """The error for a key that no row has."""
    return NotFoundError(f"No row of {resource.name} has this {resource.said_key}.")


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is. Raises `MalformedBodyError`."""
    return parse_object(_text(body))


def json_rows(body: bytes) -> dict[str, Any] | list[Any]:
    """The JSON object or the array that a body is. Raises `MalformedBodyError`."""
    value = parse_json(_text(body))
    if not isinstance(value, dict | list):
        raise MalformedBodyError("The body is JSON, but neither an object nor an array. Send an object or an array.")
    return value


def json_array(body: bytes) -> list[Any]:
    """The JSON array that a body is. Raises `MalformedBodyError`."""
    value = json_rows(body)
    if not isinstance(value, list):
        raise MalformedBodyError(
            "This path takes an array, and the body is an object. The path without :batch takes both."
        )
    return value


def raw_body(request: Request) -> bytes:
    """The body as it was sent. Raises `BodyTooLargeError`, `MalformedBodyError` and `UnsupportedMediaTypeError`.

    A page of another origin may send a body without a Content-Type, or with text/plain;application/json. Its browser
    then sends no preflight (the Fetch standard, CORS-safelisted request-header). Chalice would take both for JSON.
    """
    essence = request.headers.get("content-type", "").partition(";")[0]
    if essence not in _JSON_TYPES and essence.strip().lower() not in _JSON_TYPES:
        raise UnsupportedMediaTypeError(SEND_JSON)
    return body_bytes(request)


def body_bytes(request: Request) -> bytes:
    """The body of any type, as it was sent. Raises `BodyTooLargeError` and `MalformedBodyError`."""
    try:
        body = request.raw_body
    except ValueError:  # not base64, or it has a lone surrogate
        raise MalformedBodyError("The body is not UTF-8.") from None
    if isinstance(body, str):
        body = body.encode()
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLargeError(f"The body has {len(body)} bytes. The limit is {MAX_BODY_BYTES}.")
    return body


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except ValueError:
        raise MalformedBodyError("The body is not UTF-8.") from None
