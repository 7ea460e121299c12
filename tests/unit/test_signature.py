"""Signatures are those of AWS's test suite, and of botocore."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from crud_api.executor.signature import Keys, signed, signing_key

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SUITE_AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
# The token of post-sts-token in the suite.
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwth"
    "Ax7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAk"
    "iY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("token", "more", "payload", "signature"),
    [
        (None, {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (TOKEN, {}, b"", "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
        (None, {"my-header1": "value1"}, b"", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
        (None, {"my-header1": "VALUE1"}, b"", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
        (None, FORM, b"Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ],
    ids=[
        "post-vanilla", "post-sts-header-before", "post-header-key-sort", "post-header-value-case",
        "post-x-www-form-urlencoded",
    ],
)  # fmt: skip
def test_signatures_are_those_of_awss_test_suite(
    token: str | None, more: Mapping[str, str], payload: bytes, signature: str
) -> None:
    """AWS's Signature Version 4 test suite (aws-sig-v4-test-suite): its POST requests of a path without a query."""
    keys = Keys("AKIDEXAMPLE", SECRET, token)
    headers = signed(keys, "us-east-1", "service", "example.amazonaws.com", "/", payload, at=SUITE_AT, more=more)
    assert headers["x-amz-date"] == "20150830T123600Z"
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={';'.join(sorted(headers.keys() - {'authorization'}))}, Signature={signature}"
    )


@pytest.mark.parametrize(
    ("day", "key"),
    [
        # AWS General Reference, "Examples of how to derive a signing key"
        ("20150830", "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"),
        ("20120215", "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"),
    ],
)
def test_the_signing_key_is_that_of_awss_example(day: str, key: str) -> None:
    assert signing_key(SECRET, day, "us-east-1", "iam").hex() == key


REGIONS = ("us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "us-isob-east-1", "ap-southeast-7")
NAMES = string.ascii_letters + string.digits + "-_"


class Made:
    """A request of Invoke, made from a seed."""

    def __init__(self, seed: int) -> None:
        pick = random.Random(seed)  # noqa: S311 - the same requests in each run
        self.region = pick.choice(REGIONS)
        token = "".join(pick.choices(string.ascii_letters + string.digits + "+/=", k=pick.randint(1, 1500)))
        secret = "".join(pick.choices(string.printable.strip(), k=40))
        self.keys = Keys("".join(pick.choices(string.ascii_uppercase, k=20)), secret, pick.choice([token, None]))
        name = "".join(pick.choices(NAMES, k=pick.randint(1, 64)))
        arn = f"arn:aws:lambda:{self.region}:{pick.randrange(10**12):012}:function:{name}"
        qualifier = pick.choice(["", ":live", ":$LATEST", f":{pick.randrange(1000)}", ":a/b é%2F~"])
        self.name = pick.choice([name, arn, f"{arn[-12:]}:{name}"]) + qualifier
        self.prefix = pick.choice(["", "", "/base", "/a%20b/c~d"])
        self.host = pick.choice([f"lambda.{self.region}.amazonaws.com", "localhost:4566", "[::1]:80", "x:8443"])
        self.payload = pick.choice([b"", b"{}", '{"ä":"\u2028"}'.encode(), pick.randbytes(pick.randint(1, 3000))])
        self.at = pick.choice([0, 951782400, 1709164799, 4102444800, pick.randrange(4_000_000_000)])


@pytest.mark.parametrize("part", range(4))
def test_signatures_are_those_of_botocore(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    at = 0.0
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: datetime.fromtimestamp(at, UTC))
    for seed in range(part * 1000, part * 1000 + 1000):
        made = Made(seed)
        at = made.at
        path = f"{made.prefix}/2015-03-31/functions/{quote(made.name, safe='')}/invocations"
        theirs = AWSRequest("POST", f"https://{made.host}{path}", data=made.payload, headers={"Host": made.host})
        keys = made.keys
        credentials = Credentials(keys.access_key, keys.secret_key, keys.token)
        SigV4Auth(credentials, "lambda", made.region).add_auth(theirs)
        ours = signed(keys, made.region, "lambda", made.host, path, made.payload, at=made.at)
        assert ours == {name.lower(): value for name, value in theirs.headers.items()}, seed
