"""From the body of a registration to the spec of a task: every field that is wrong, or the token sealed. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tocsin import secret_headers
from tocsin.egress.policy import EgressPolicy
from tocsin.egress.refusal import Refusal
from tocsin.encryption import Cipher
from tocsin.errors import StartError
from tocsin.events import json_path
from tocsin.events.deliveries import PollReading
from tocsin.events.jobs import NO_PAYLOAD
from tocsin.events.tasks import MAX_CAUSE_BYTES, MAX_ERROR_BYTES, MAX_RESULT_BYTES, Poll, TaskSpec
from tocsin.events.topics import INLINE_PAYLOAD_BYTES
from tocsin.ingest.job_fields import Wrong, readers
from tocsin.ingest.sources.json_text import check_depth, check_encoding, members, one_line
from tocsin.ingest.task_bodies import PollBody, Registration
from tocsin.problems import FieldError, invalid
from tocsin.task_tokens import PREFIX

_MOST: Final = {"result": MAX_RESULT_BYTES, "error": MAX_ERROR_BYTES, "cause": MAX_CAUSE_BYTES}
_NULL: Final = b"null"


@dataclass(frozen=True, slots=True)
class Result:
    """JSON as it was sent. ``stored``: what has to be in the payloads topic first, empty when it travels inline."""

    text: bytes = b""

    @property
    def inline(self) -> bool:
        return len(self.text) <= INLINE_PAYLOAD_BYTES

    @property
    def stored(self) -> bytes:
        return b"" if self.inline else self.text

    def fields(self) -> dict[str, Any]:
        """Of an event or a fact."""
        if not self.inline:
            return {"result_digest": hashlib.sha256(self.text).hexdigest()}
        return {"result": msgspec.Raw(self.text)} if self.text else {}


def result_of(body: bytes) -> Result:
    """The member ``result`` of a body that was validated. Raises Problem 400 for JSON that cannot be passed on."""
    return Result(_member(_checked(body), "result"))


@dataclass(frozen=True, slots=True)
class TaskSpecs:
    """``policy``: where polls and notices may go. functions: of Lambda, that tasks may invoke."""

    policy: EgressPolicy
    cipher: Cipher
    functions: tuple[str, ...] = ()

    def spec(self, body: bytes, asked: Registration, token: str, *, issued: bool) -> TaskSpec:
        """Raises Problem 422 with every field that is wrong, 400 for JSON that cannot be passed on."""
        given = _checked(body)
        errors: list[FieldError] = []
        if asked.task_token is not None and asked.task_token.startswith(PREFIX):
            message = f"{PREFIX}… are the tokens tocsin issues; leave it out to get one"
            errors.append(FieldError("task_token", "reserved", message))
        metadata = self._small(given, errors, "external_job", "metadata")
        poll = None if asked.poll is None else self._poll(asked.poll, given, errors)
        for name in ("on_settled_url", "execution_url"):
            if (url := getattr(asked, name)) is not None:
                errors += self._url(name, url)
        sealed = self._sealed(token, errors)
        if errors:
            raise invalid(errors)
        return TaskSpec(
            token=sealed,
            issued=issued,
            external_job_id=asked.external_job.id,
            metadata=metadata,
            poll=poll,
            timeout_ms=_ms(asked.timeout_seconds),
            heartbeat_ms=_ms(asked.heartbeat_seconds),
            owner=asked.owner,
            on_settled_url=asked.on_settled_url or "",
            execution_url=asked.execution_url or "",
        )

    def _poll(self, asked: PollBody, given: dict[str, msgspec.Raw], errors: list[FieldError]) -> Poll:
        if asked.url is not None:
            errors += self._url("poll.url", asked.url)
        elif asked.lambda_function not in self.functions:
            message = "the operator lets tasks invoke no such function (TOCSIN_POLL_LAMBDAS)"
            errors.append(FieldError("poll.lambda", "not_allowed", message, self.functions))
        payload = self._small(given, errors, "poll", "payload")
        for name in ("status_path", "result_path"):
            errors += _path(f"poll.{name}", getattr(asked, name))
        headers: dict[str, str] = {}
        try:
            headers = readers(self.policy, self.cipher, keeping=False)["headers"][1](asked.headers)
        except Wrong as wrong:
            errors += [dataclasses.replace(one, field=f"poll.headers.{one.field}") for one in wrong.errors]
        reading = PollReading(
            status_path=asked.status_path,
            result_path=asked.result_path,
            completed_values=tuple(asked.completed_values),
            failed_values=tuple(asked.failed_values),
        )
        return Poll(
            interval_ms=_ms(asked.interval_seconds),
            url=asked.url or "",
            lambda_function=asked.lambda_function or "",
            method=asked.method or ("POST" if bytes(payload) else "GET"),
            headers=headers,
            payload=payload,
            backoff=asked.backoff,
            max_interval_ms=max(_ms(asked.max_interval_seconds), _ms(asked.interval_seconds)),
            max_attempts=asked.max_attempts,
            reading=reading,
        )

    def _url(self, field: str, url: str) -> list[FieldError]:
        judged = self.policy.check_url(url)
        if isinstance(judged, Refusal) and field != "execution_url":
            return [FieldError(field, judged.code, judged.message, judged.allowed)]
        if field == "execution_url" and not url.startswith(("https://", "http://")):
            return [FieldError(field, "scheme", "an http or https link is needed", ("https", "http"))]
        return []

    def _small(self, given: dict[str, msgspec.Raw], errors: list[FieldError], outer: str, inner: str) -> msgspec.Raw:
        nested = _member(given, outer)
        text = _member(members(nested), inner) if nested else b""
        if len(text) > INLINE_PAYLOAD_BYTES:
            message = f"at most {INLINE_PAYLOAD_BYTES} bytes of JSON are kept; there are {len(text)}"
            errors.append(FieldError(f"{outer}.{inner}", "too_large", message))
        return msgspec.Raw(text) if text else NO_PAYLOAD

    def _sealed(self, token: str, errors: list[FieldError]) -> str:
        try:
            return secret_headers.seal(token, self.cipher)
        except StartError:
            message = "a token is secret and cannot be kept: this installation has no TOCSIN_ENCRYPTION_KEYS"
            errors.append(FieldError("task_token", "no_encryption_key", message))
            return ""


def check_settlement(result: Result, error: str, cause: str) -> None:
    """Raises Problem 422 for what a workflow would not take."""
    sizes = {"result": len(result.text), "error": len(error.encode()), "cause": len(cause.encode())}
    wrong = [
        FieldError(name, "too_large", f"at most {_MOST[name]} bytes; there are {size}")
        for name, size in sizes.items()
        if size > _MOST[name]
    ]
    if wrong:
        raise invalid(wrong)


def _checked(body: bytes) -> dict[str, msgspec.Raw]:
    check_encoding(body)
    check_depth(body)
    return members(body)


def _member(given: dict[str, msgspec.Raw], name: str) -> bytes:
    """JSON on one line; empty when it is absent or null."""
    text = bytes(given.get(name, b""))
    return b"" if text == _NULL else one_line(text)


def _path(field: str, path: str) -> list[FieldError]:
    try:
        json_path.parse(path)
    except ValueError as error:
        return [FieldError(field, "path", str(error))]
    return []


def _ms(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, round(seconds * 1000))
