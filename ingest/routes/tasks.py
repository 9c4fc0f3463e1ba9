"""Commands on tasks: register, settle by hand, cancel, poll now, wait longer, live; and the callback of the job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Request, Response

from tocsin import outcomes
from tocsin.authentication import Principal, Writer
from tocsin.events import tasks as contract
from tocsin.events.identity import TASK_ID
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.ingest import task_callbacks
from tocsin.ingest.commands import Command, Commands
from tocsin.ingest.records import keyed_id, payload_record
from tocsin.ingest.routes import tasks_documentation as documentation
from tocsin.ingest.routes.commanding import decided, version_wanted
from tocsin.ingest.routes.requests import actor_of, head_of, idempotency_key, request_of
from tocsin.ingest.task_bodies import Callback, Cancel, Extension, Registration, Settle
from tocsin.ingest.task_spec import Result, TaskSpecs, check_settlement, result_of
from tocsin.outcomes import Answered
from tocsin.problems import Problem, not_found
from tocsin.task_tokens import TaskTokens

TaskId = Annotated[str, Path(description="Id of the task", examples=["k_0f343b0931126a20f133d67c2b018a3b"])]
CallbackSecret = Annotated[str, Path(description="As `callback_url` has it")]
_ROUTE: Final = "/v1/tasks"
_ONE: Final = "/v1/tasks/{task_id}"
CALLBACKS: Final = "/callbacks/tasks"


@dataclass(frozen=True, slots=True)
class TaskRoutes:
    """From a request to the answer of its decision."""

    commands: Commands
    specs: TaskSpecs
    tokens: TaskTokens

    async def register(self, asked: Registration, request: Request, principal: Principal) -> Response:
        head, body = head_of(request.scope), await request.body()
        workspace, key = principal.workspace, idempotency_key(head)
        issued = asked.task_token is None
        # the same for a repeated request, whose answer is to be the same
        repeated = keyed_id(workspace, request.method, request.url.path, key) if key else ""
        token = asked.task_token or self.tokens.issue(workspace, repeated)
        task_id = self.tokens.task_id(workspace, token)
        spec = self.specs.spec(body, asked, token, issued=issued)
        event = contract.TaskRegisterRequested(task_id=task_id, spec=spec, actor=actor_of(None, head, principal))
        command = Command(contract.DOMAIN, task_id, event, request.method, request.url.path, body, key)
        answered = await self.commands.run(command, request_of(head, principal))
        shown = {"task_token": token} if issued else {}
        url = f"{request.base_url}{CALLBACKS.lstrip('/')}/{task_id}/{self.tokens.callback_secret(workspace, task_id)}"
        return outcomes.response(_shown_once(answered, task_id, shown | {"callback_url": url}))

    async def ask(
        self, task_id: str, event: type[Any], request: Request, principal: Principal, actor: str | None, **more: Any
    ) -> Response:
        """What is asked of a task that exists. Raises Problem 404 for an id that no task can have."""
        if not TASK_ID.fullmatch(task_id):
            raise not_found("task")
        head = head_of(request.scope)
        asked = event(task_id=task_id, actor=actor_of(actor, head, principal), **more, **version_wanted(event, head))
        return await decided(self.commands, contract.DOMAIN, task_id, asked, request, principal)

    async def settle(self, task_id: str, asked: Settle, request: Request, principal: Principal) -> Response:
        result = result_of(await request.body())
        check_settlement(result, asked.error, asked.cause)
        await self._keep(result)
        more = {"outcome": asked.outcome, "error": asked.error, "cause": asked.cause} | result.fields()
        return await self.ask(task_id, contract.SettleRequested, request, principal, asked.actor, **more)

    async def callback(self, task_id: str, secret: str, said: Callback, request: Request) -> Response:
        workspace = self.tokens.workspace_of(task_id, secret)
        if workspace is None or not TASK_ID.fullmatch(task_id):
            raise not_found("task")
        result = result_of(await request.body())
        event = task_callbacks.event_of(task_id, said, result)
        if isinstance(event, contract.SettleRequested) and event.result_digest:
            await self._keep(result)
        principal = Principal(workspace, task_callbacks.ACTOR, frozenset())
        answered = await decided(self.commands, contract.DOMAIN, task_id, event, request, principal)
        # the job hears that it was heard, not what the workflow knows
        return Response(status_code=204) if answered.status_code == 200 else answered

    async def _keep(self, result: Result) -> None:
        """Before the event that names its digest. Raises Problem 503."""
        if result.stored:
            await self.commands.publisher.publish(payload_record(result.stored, self.commands.partitions))


def _shown_once(answered: Answered, task_id: str, secrets: dict[str, str]) -> Answered:
    """The answer to whoever registers, with what nobody is shown again."""
    if isinstance(answered.body, Problem) or answered.body is None:
        return answered
    document = orjson.loads(answered.body) | {"id": task_id} | secrets
    return Answered(answered.status, orjson.dumps(document), {**answered.headers, "Cache-Control": "no-store"})


def _deadline(asked: Extension) -> str:
    moment = asked.deadline or datetime.now(UTC) + timedelta(seconds=asked.timeout_seconds or 0)
    return rfc3339(round_down_ms(moment))


def router(routes: TaskRoutes) -> APIRouter:
    """``POST /v1/tasks``, everything below it that changes something, and the callbacks."""
    found = APIRouter(tags=["tasks"])

    @found.post(_ROUTE, status_code=201, response_class=Response, **documentation.REGISTER)
    async def register_task(asked: Registration, request: Request, principal: Writer) -> Response:
        return await routes.register(asked, request, principal)

    @found.post(f"{_ONE}/settle", response_class=Response, **documentation.SETTLE)
    async def settle_task(task_id: TaskId, asked: Settle, request: Request, principal: Writer) -> Response:
        return await routes.settle(task_id, asked, request, principal)

    @found.post(f"{_ONE}/cancel", response_class=Response, **documentation.CANCEL)
    async def cancel_task(
        task_id: TaskId, request: Request, principal: Writer, asked: Cancel | None = None
    ) -> Response:
        actor, reason = (asked.actor, asked.reason or "") if asked else (None, "")
        return await routes.ask(task_id, contract.CancelRequested, request, principal, actor, reason=reason)

    @found.post(f"{_ONE}/poll", response_class=Response, **documentation.POLL)
    async def poll_task(task_id: TaskId, request: Request, principal: Writer) -> Response:
        return await routes.ask(task_id, contract.PollNowRequested, request, principal, None)

    @found.post(f"{_ONE}/deadline", response_class=Response, **documentation.EXTEND)
    async def extend_task(task_id: TaskId, asked: Extension, request: Request, principal: Writer) -> Response:
        deadline = _deadline(asked)
        event = contract.DeadlineExtensionRequested
        return await routes.ask(task_id, event, request, principal, asked.actor, deadline=deadline)

    @found.post(f"{_ONE}/heartbeat", response_class=Response, **documentation.HEARTBEAT)
    async def heartbeat_task(task_id: TaskId, request: Request, principal: Writer) -> Response:
        return await routes.ask(task_id, contract.HeartbeatReceived, request, principal, None)

    @found.post(
        f"{CALLBACKS}/{{task_id}}/{{secret}}", status_code=204, response_class=Response, **documentation.CALLBACK
    )
    async def task_callback(task_id: TaskId, secret: CallbackSecret, said: Callback, request: Request) -> Response:
        return await routes.callback(task_id, secret, said, request)

    return found
