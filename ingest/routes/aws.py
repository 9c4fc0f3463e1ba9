"""``POST /``: unmodified AWS clients settle task tokens, by SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from asgi_correlation_id import correlation_id
from fastapi import APIRouter, Request, Response

from tocsin import sigv4
from tocsin.authentication import Authenticator, Principal
from tocsin.aws_keys import AwsKeyRing
from tocsin.events.tasks import DOMAIN
from tocsin.ingest import aws_protocol
from tocsin.ingest.aws_protocol import AwsError, SendTaskSuccess
from tocsin.ingest.commands import Command, Commands
from tocsin.ingest.records import payload_record
from tocsin.ingest.routes.requests import MAX_KEY_LENGTH, Head, head_of, request_of
from tocsin.ingest.task_spec import Result
from tocsin.problems import Problem, responses
from tocsin.sigv4 import Unsigned
from tocsin.task_tokens import PREFIX, TaskTokens

_SCOPE: Final = "write"


def _error(description: str) -> dict[str, Any]:
    members = {"__type": {"type": "string"}, "message": {"type": "string"}}
    schema = {"type": "object", "properties": members}
    return {"description": description, "content": {aws_protocol.MEDIA_TYPE: {"schema": schema}}}


_PROBLEMS: Final = {status: problem for status, problem in responses(413, 415).items() if status not in (401, 503)}
_CALL: Final[dict[str, Any]] = {
    "operation_id": "aws_step_functions",
    "summary": "The JSON protocol of AWS Step Functions for task tokens",
    "description": "`X-Amz-Target: AWSStepFunctions.SendTaskSuccess`, `SendTaskFailure` or `SendTaskHeartbeat`, signed"
    " with Signature Version 4 for the service `states` by a key of `tocsin keys create --aws`. Errors are AWS's own"
    " shape. A token that is settled already answers `TaskTimedOut`.",
    "responses": {
        200: {"description": "Taken", "content": {aws_protocol.MEDIA_TYPE: {"schema": {"type": "object"}}}},
        400: _error("`__type` names AWS's error"),
        401: _error("Not signed, or not rightly"),
        403: _error("The key lacks the scope `write`"),
        429: _error("Too many wrong signatures from this address"),
        503: _error("Not decided in time, or a dependency is down; the SDK tries again"),
    }
    | _PROBLEMS,
    "openapi_extra": {
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
            for name in ("X-Amz-Target", "X-Amz-Date", "Authorization")
        ],
        "requestBody": {"content": {aws_protocol.MEDIA_TYPE: {"schema": {"type": "object"}}}, "required": True},
    },
}


@dataclass(frozen=True, slots=True)
class AwsRoute:
    """``idempotent``: the same settlement of the same token once more is taken."""

    commands: Commands
    tokens: TaskTokens
    keys: AwsKeyRing
    authenticator: Authenticator
    idempotent: bool = False

    async def answer(self, request: Request) -> Response:
        request_id = correlation_id.get() or ""
        try:
            body = await request.body()
            principal = await self._admitted(request, body)
            await self._carry_out(request, body, principal)
        except AwsError as error:
            return aws_protocol.refused(error, request_id)
        except Problem as problem:
            return aws_protocol.refused(_as_aws(problem), request_id)
        return aws_protocol.answered(request_id)

    async def _admitted(self, request: Request, body: bytes) -> Principal:
        """Who signed it. Raises AwsError."""
        scope = request.scope
        try:
            signed = sigv4.read(
                request.method, scope["path"], scope["query_string"], scope["headers"], body, datetime.now(UTC)
            )
            signer = self.keys.known(signed.access_key_id)
            if signer is None and not self.keys.loaded:
                raise AwsError("ServiceUnavailable", "The key cannot be checked now", 503)
            signed.check(None if signer is None else signer.secret)
        except Unsigned as error:
            # requests that try no key are not counted, as everywhere
            guessed = error.code in ("UnrecognizedClientException", "InvalidSignatureException")
            if guessed and await self.authenticator.guessed(scope):
                message = "Too many requests with a wrong signature from this address"
                raise AwsError("ThrottlingException", message, 429) from None
            raise AwsError(error.code, str(error), 401) from None
        assert signer is not None  # noqa: S101 - check has raised
        if _SCOPE not in signer.scopes:
            raise AwsError("AccessDeniedException", f"The key {signer.name!r} lacks the scope {_SCOPE!r}", 403)
        return Principal(signer.workspace, signer.name, signer.scopes)

    async def _carry_out(self, request: Request, body: bytes, principal: Principal) -> None:
        """Raises AwsError, Problem."""
        head = head_of(request.scope)
        call = aws_protocol.read(head.get(b"x-amz-target", b"").decode("latin-1"), body)
        output = aws_protocol.output_of(call) if isinstance(call, SendTaskSuccess) else Result()
        token, ours = call.taskToken, self.tokens.issued(call.taskToken)
        if token.startswith(PREFIX) and not ours:
            raise AwsError("InvalidToken", "Invalid Token: 'Invalid token'")
        if output.stored:
            await self.commands.publisher.publish(payload_record(output.stored, self.commands.partitions))
        task_id = self.tokens.task_id(principal.workspace, token)
        event = aws_protocol.event_of(call, task_id, principal.name, output, idempotent=self.idempotent)
        command = Command(DOMAIN, task_id, event, request.method, request.url.path, body, _invocation(head))
        aws_protocol.check_decided(await self.commands.decided(command, request_of(head, principal)), ours=ours)


def _invocation(head: Head) -> str:
    """The SDK names a call the same in all its tries, so a repeated one gets the first one's answer."""
    key = head.get(b"amz-sdk-invocation-id", b"").decode("latin-1").strip()
    return key if len(key) <= MAX_KEY_LENGTH else ""


def _as_aws(problem: Problem) -> AwsError:
    if problem.status == 503:
        return AwsError("ServiceUnavailable", problem.detail, 503)
    return AwsError("ValidationException", problem.detail or problem.title)


def router(route: AwsRoute) -> APIRouter:
    found = APIRouter(tags=["tasks"])

    @found.post("/", response_class=Response, **_CALL)
    async def aws_step_functions(request: Request) -> Response:
        return await route.answer(request)

    return found
