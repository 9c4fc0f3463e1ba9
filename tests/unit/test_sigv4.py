"""Signature Version 4: what AWS's own signer signs is admitted, and nothing that was changed afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from tocsin import sigv4
from tocsin.sigv4 import SignedRequest, Unsigned

KEY, SECRET = "TOCSINABCDEFGHIJKLMN", "s3cr3t/with+every=sign"
TARGET = "AWSStepFunctions.SendTaskSuccess"
BODY = b'{"taskToken": "AQC", "output": "{}"}'
Headers = list[tuple[bytes, bytes]]


def signed(
    body: bytes = BODY,
    *,
    secret: str = SECRET,
    region: str = "eu-central-1",
    service: str = "states",
    token: str | None = None,
    **more: str,
) -> Headers:
    """The headers of a request as botocore signs and sends it."""
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": TARGET, "Host": "localhost:8000"}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    request = AWSRequest("POST", "http://localhost:8000/", headers=headers, data=body)
    SigV4Auth(Credentials(KEY, secret, token), service, region).add_auth(request)
    prepared: Any = request.prepare()
    return [(name.lower().encode("latin-1"), text(value)) for name, value in prepared.headers.items()]


def text(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


def read(headers: Headers, body: bytes = BODY, **more: Any) -> SignedRequest:
    values: dict[str, Any] = {"method": "POST", "path": "/", "query": b"", "now": datetime.now(UTC)} | more
    return sigv4.read(values["method"], values["path"], values["query"], headers, body, values["now"])


def admit(headers: Headers) -> None:
    request = read(headers)
    request.check(SECRET if request.access_key_id == KEY else None)


def changed(headers: Headers, name: str, value: bytes | None) -> Headers:
    """With another value of one header, or without it."""
    kept = [one for one in headers if one[0] != name.encode()]
    return kept if value is None else [*kept, (name.encode(), value)]


def value(headers: Headers, name: str) -> bytes:
    return dict(headers)[name.encode()]


def code_of(headers: Headers, body: bytes = BODY, secret: str | None = SECRET, **more: Any) -> str:
    with pytest.raises(Unsigned) as refused:
        read(headers, body, **more).check(secret)
    assert SECRET not in str(refused.value)
    return refused.value.code


def test_T5_what_botocore_signs_is_admitted() -> None:
    request = read(signed())
    assert request.access_key_id == KEY
    assert request.signed == ("content-type", "host", "x-amz-date", "x-amz-target")
    request.check(SECRET)


HEADER_VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


@given(
    body=st.binary(max_size=300),
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
    region=st.from_regex(r"[a-z]{2}-[a-z]{4,9}-[1-9]", fullmatch=True),
    token=st.none() | HEADER_VALUES,
    extra=st.dictionaries(
        st.from_regex(r"x-[a-z]{1,8}(-[a-z]{1,8})?", fullmatch=True).filter(lambda name: "amz" not in name),
        st.lists(HEADER_VALUES, min_size=1, max_size=3).map("  ".join),
        max_size=4,
    ),
)
def test_T5_any_request_that_botocore_signs_is_admitted(
    body: bytes, secret: str, region: str, token: str | None, extra: dict[str, str]
) -> None:
    headers = signed(body, secret=secret, region=region, token=token, **extra)
    read(headers, body).check(secret)
    assert code_of(headers, body, secret + "x") == "InvalidSignatureException"
    assert code_of(headers, body + b" ", secret) == "InvalidSignatureException"


@pytest.mark.parametrize("name", ["content-type", "host", "x-amz-date", "x-amz-target"])
def test_T5_no_signed_header_can_be_changed_or_left_out(name: str) -> None:
    headers = signed()
    before = value(headers, name)
    for at in range(len(before)):
        flipped = before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :]
        assert code_of(changed(headers, name, flipped)) in ("InvalidSignatureException", "IncompleteSignatureException")
    assert code_of(changed(headers, name, None)) in ("InvalidSignatureException", "IncompleteSignatureException")
    assert code_of([*headers, (name.encode(), before)]) in ("InvalidSignatureException", "IncompleteSignatureException")


def test_T5_no_bit_of_the_signature_can_be_changed() -> None:
    headers = signed()
    authorization = value(headers, "authorization")
    for at in range(len(authorization)):
        flipped = authorization[:at] + bytes([authorization[at] ^ 1]) + authorization[at + 1 :]
        with pytest.raises(Unsigned):
            admit(changed(headers, "authorization", flipped))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "MissingAuthenticationTokenException"),
        (b"", "IncompleteSignatureException"),
        (b"Bearer tocsin_x", "IncompleteSignatureException"),
        (b"AWS4-HMAC-SHA256", "IncompleteSignatureException"),
        (b"AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=" + b"0" * 64, "IncompleteSignatureException"),
        (b"AWS4-HMAC-SHA256 Credential=\xff\xfe, SignedHeaders=host, Signature=0", "IncompleteSignatureException"),
        (b"x" * 100_000, "IncompleteSignatureException"),
    ],
)
def test_T5_an_authorization_that_is_none_is_refused(header: bytes | None, code: str) -> None:
    assert code_of(changed(signed(), "authorization", header)) == code


@given(
    st.dictionaries(
        st.sampled_from(["authorization", "x-amz-date", "host", "x-amz-content-sha256"]), st.binary(max_size=200)
    )
)
def test_T5_whatever_is_sent_is_refused_and_never_an_error(given_headers: dict[str, bytes]) -> None:
    headers = signed()
    for name, found in given_headers.items():
        headers = changed(headers, name, found)
    if any(
        value(signed(), name) != found for name, found in given_headers.items() if name in ("authorization", "host")
    ):
        with pytest.raises(Unsigned):
            read(headers).check(SECRET)


@pytest.mark.parametrize(
    ("offset", "admitted"), [(-299, True), (299, True), (-302, False), (302, False), (-86_400, False)]
)
def test_T5_a_signature_lasts_five_minutes(offset: int, admitted: bool) -> None:
    now = datetime.now(UTC) - timedelta(seconds=offset)
    if admitted:
        read(signed(), now=now).check(SECRET)
    else:
        assert code_of(signed(), now=now) == "InvalidSignatureException"


def test_T5_a_key_nobody_has_is_refused_by_its_own_code() -> None:
    assert code_of(signed(), secret=None) == "UnrecognizedClientException"


def test_T5_a_signature_for_another_service_or_place_is_refused() -> None:
    assert code_of(signed(service="sqs")) == "InvalidSignatureException"
    assert code_of(signed(), path="/tickets") == "InvalidSignatureException"
    assert code_of(signed(), query=b"a=1") == "InvalidSignatureException"
    assert code_of(signed(), method="PUT") == "InvalidSignatureException"


@pytest.mark.parametrize("announced", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0" * 64, "é"])
def test_T5_the_whole_body_is_signed(announced: str) -> None:
    headers = changed(signed(), "x-amz-content-sha256", announced.encode("latin-1"))
    assert code_of(headers) == "InvalidSignatureException"


def test_T5_a_security_token_must_be_signed() -> None:
    read(signed(token="session")).check(SECRET)
    assert code_of(changed(signed(), "x-amz-security-token", b"session")) == "InvalidSignatureException"
