"""Clients that register tasks, say that their jobs live and push how these ended, while faults happen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

import aiohttp

from tests.faults.patient import ATTEMPT, Patient
from tests.faults.tasks import KINDS, WORKSPACE
from tocsin.ingest.records import keyed_id

OWNER: Final = "tasks of killed roles"
BETWEEN: Final = 0.1  # seconds from one registration to the next: some begin while others end
HEARTBEATS: Final = 3
_PUSHED, _ISSUED = (3, 8), (4, 9)
_OUT_OF_REACH: Final = 600


@dataclass(slots=True)
class Registered:
    """A task as its client knows it. ``token``: of AWS, empty where tocsin issued it. heartbeats: the event ids of
    those that were accepted."""

    task_id: str
    token: str
    rule: Literal["polled", "by_callback"]
    heartbeats: list[str] = field(default_factory=list)


class TaskLoad:
    """A context manager. Of ten tasks six are polled at ``jobs``, two are pushed, and two are pushed whose tokens
    tocsin issued; pushed ones send heartbeats before. An Idempotency-Key goes with every request."""

    def __init__(self, url: str, headers: Mapping[str, str], jobs: str) -> None:
        self.registered: list[Registered] = []
        self.patient = Patient()
        self._jobs = jobs
        self._session = aiohttp.ClientSession(url, headers=headers, timeout=ATTEMPT)
        self._rounds = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        await self._rounds.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """When every client has said all it has to say."""
        try:
            await self._rounds.__aexit__(kind, error, trace)
        finally:
            await self._session.close()

    def begin(self, name: str, tasks: int) -> list[str]:
        """Tasks whose clients work from now on; gives their tokens of AWS."""
        numbers = range(tasks)
        self._rounds.create_task(self._begin(name, numbers))
        return [_token(name, number) for number in numbers if number % KINDS not in _ISSUED]

    async def _begin(self, name: str, numbers: range) -> None:
        for number in numbers:
            self._rounds.create_task(self._client(name, number))
            await asyncio.sleep(BETWEEN)

    async def _client(self, name: str, number: int) -> None:
        body: dict[str, Any] = {"owner": OWNER, "timeout_seconds": _OUT_OF_REACH, "heartbeat_seconds": _OUT_OF_REACH}
        kind, token = number % KINDS, ""
        pushed = kind in (*_PUSHED, *_ISSUED)
        if kind not in _ISSUED:
            token = body["task_token"] = _token(name, number)
        if not pushed:
            body["poll"] = {"url": f"{self._jobs}/{name}/{number}", "interval_seconds": 0.3}
        made = await self._accepted("/v1/tasks", body, f"{name}-{number}")
        task = Registered(made["id"], token, "by_callback" if pushed else "polled")
        self.registered.append(task)
        if pushed:
            await self._push(task, urlsplit(made["callback_url"]).path)

    async def _push(self, task: Registered, callback: str) -> None:
        alive = f"/v1/tasks/{task.task_id}/heartbeat" if task.token else callback
        for number in range(HEARTBEATS):
            key = f"alive-{number}"
            await self._accepted(alive, {} if task.token else {"status": "RUNNING"}, key)
            task.heartbeats.append(keyed_id(WORKSPACE, "POST", alive, key))
            await asyncio.sleep(BETWEEN)
        await self._accepted(callback, {"status": "COMPLETED", "result": {"of": task.task_id}}, "ended")

    async def _accepted(self, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        return await self.patient.accepted(self._session, "POST", path, body, key)


def _token(name: str, number: int) -> str:
    return f"AQC-{name}-{number}"
