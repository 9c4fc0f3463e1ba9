"""Verification of AWS Signature Version 4 for one JSON service: what was signed, by whom, when. Pure, standard library.

Source: AWS Signature Version 4 for API requests (IAM user guide), sections on the canonical request, the string to sign
and the signing key. Requests of Step Functions go to ``/`` without a query and sign their whole body.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SERVICE: Final = "states"
SKEW_SECONDS: Final = 300
_NEEDED: Final = ("host", "x-amz-date")
"""Signed always; others that change what is meant are signed when they are there."""
_SIGNED_IF_PRESENT: Final = ("x-amz-target", "x-amz-security-token", "x-amz-content-sha256")
_AUTHORIZATION: Final = re.compile(
    rf"{ALGORITHM}\s+Credential=(?P<credential>[^,\s]{{1,200}})\s*,\s*"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]{1,1000})\s*,\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_SCOPE: Final = re.compile(
    r"(?P<key>[A-Za-z0-9]{16,128})/(?P<day>\d{8})/(?P<region>[a-z0-9-]{1,40})/(?P<service>[a-z0-9-]{1,40})/aws4_request"
)
_DATE: Final = re.compile(r"\d{8}T\d{6}Z")
_NOBODY: Final = "there is no such key, and this takes as long as one that is wrong"


class Unsigned(Exception):
    """Why a request is not admitted: ``code`` as AWS names it, ``str(error)`` a sentence without secrets."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request with what its Authorization header claims; nothing of it is proved before ``check``."""

    access_key_id: str
    scope: str
    moment: str
    signed: tuple[str, ...]
    signature: str
    canonical: bytes

    def check(self, secret: str | None) -> None:
        """``secret``: of the key, None when there is no such key. Raises Unsigned."""
        right = signature(secret if secret is not None else _NOBODY, self.scope, self.moment, self.canonical)
        matches = hmac.compare_digest(right, self.signature)
        if secret is None:
            raise Unsigned("UnrecognizedClientException", "The security token included in the request is invalid.")
        if not matches:
            message = "The request signature we calculated does not match the signature you provided."
            raise Unsigned("InvalidSignatureException", message)


class _Claim(NamedTuple):
    access_key_id: str
    scope: str
    day: str
    signed: tuple[str, ...]
    signature: str


def read(
    method: str, path: str, query: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes, now: datetime
) -> SignedRequest:
    """``headers``: raw, names in lower case. Raises Unsigned for a request that cannot have been signed rightly."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for name, value in headers:
        by_name[name.decode("latin-1")].append(value.decode("latin-1"))
    claim = _claim(by_name)
    moment = _moment(by_name, claim, now)
    _check_signed(claim.signed, by_name)
    if path != "/" or query:
        raise Unsigned("InvalidSignatureException", "Requests go to / without a query.")
    payload = _payload_hash(by_name, body)
    lines = [method, path, "", *(f"{name}:{_value(by_name[name])}" for name in claim.signed)]
    canonical = "\n".join([*lines, "", ";".join(claim.signed), payload])
    # names and values came as Latin-1 bytes: the same bytes again
    return SignedRequest(
        claim.access_key_id, claim.scope, moment, claim.signed, claim.signature, canonical.encode("latin-1")
    )


def signature(secret: str, scope: str, moment: str, canonical: bytes) -> str:
    """Hex. ``scope``: day/region/service/aws4_request; moment: as X-Amz-Date."""
    text = "\n".join((ALGORITHM, moment, scope, hashlib.sha256(canonical).hexdigest()))
    key = b"AWS4" + secret.encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key.hex()


def _claim(headers: Mapping[str, list[str]]) -> _Claim:
    given = headers.get("authorization")
    if not given:
        raise Unsigned("MissingAuthenticationTokenException", "Missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(given[0].strip()) if len(given) == 1 else None
    scope = _SCOPE.fullmatch(found["credential"]) if found else None
    if found is None or scope is None:
        raise Unsigned("IncompleteSignatureException", f"Authorization is not of the form {ALGORITHM} …")
    if scope["service"] != SERVICE:
        raise Unsigned("InvalidSignatureException", f"Credential should be scoped to correct service: '{SERVICE}'.")
    signed = tuple(found["signed"].split(";"))
    if list(signed) != sorted(set(signed)):
        raise Unsigned("IncompleteSignatureException", "SignedHeaders are sorted, each named once")
    _, _, rest = found["credential"].partition("/")
    return _Claim(scope["key"], rest, scope["day"], signed, found["signature"])


def _moment(headers: Mapping[str, list[str]], claim: _Claim, now: datetime) -> str:
    given = headers.get("x-amz-date", [])
    if len(given) != 1 or not _DATE.fullmatch(given[0].strip()):
        raise Unsigned("IncompleteSignatureException", "X-Amz-Date is needed, as 20260314T092653Z")
    text = given[0].strip()
    try:
        at = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Unsigned("IncompleteSignatureException", "X-Amz-Date is no time") from None
    if not text.startswith(claim.day):
        raise Unsigned("InvalidSignatureException", "Date in Credential scope does not match X-Amz-Date")
    off = (at - now).total_seconds()
    if abs(off) > SKEW_SECONDS:
        when = "expired" if off < 0 else "not yet current"
        raise Unsigned("InvalidSignatureException", f"Signature {when}: {text} is more than 5 minutes from our clock")
    return text


def _check_signed(signed: tuple[str, ...], headers: Mapping[str, list[str]]) -> None:
    wanted = [*_NEEDED, *(name for name in _SIGNED_IF_PRESENT if name in headers)]
    if missing := [name for name in wanted if name not in signed]:
        raise Unsigned("InvalidSignatureException", f"{', '.join(missing)} must be signed")
    if absent := [name for name in signed if name not in headers]:
        raise Unsigned("InvalidSignatureException", f"{', '.join(absent)[:100]} was signed, but is not there")


def _payload_hash(headers: Mapping[str, list[str]], body: bytes) -> str:
    """Of the bytes that came. One that is announced must be that: unsigned and chunked bodies are for S3 alone."""
    right = hashlib.sha256(body).hexdigest()
    announced = headers.get("x-amz-content-sha256")
    if announced is not None and (
        len(announced) != 1 or not hmac.compare_digest(announced[0].strip().encode("latin-1"), right.encode())
    ):
        raise Unsigned("InvalidSignatureException", "X-Amz-Content-Sha256 is not the SHA-256 of the body")
    return right


def _value(values: list[str]) -> str:
    return ",".join(" ".join(value.split()) for value in values)
