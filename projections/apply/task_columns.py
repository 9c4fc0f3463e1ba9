"""What each fact about a task changes in its row. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tocsin.events import tasks as contract
from tocsin.projections.apply.facts import instant
from tocsin.projections.tables import tasks
from tocsin.projections.writes import columns_of

Columns = dict[str, Any]
_encode: Final = msgspec.json.Encoder().encode
_NEW: Final = dict.fromkeys(columns_of(tasks))


def columns_after(fact: contract.TaskFact, before: Columns) -> Columns:
    """The row after a fact; a registration begins a new one. Raises ValueError for a time that is none."""
    after = before | {
        "status": fact.status,
        "deadline": _optional(fact.deadline),
        "heartbeat_due": _optional(fact.heartbeat_due),
        "next_poll": _optional(fact.next_poll),
        "updated_at": instant(fact.at),
        "version": fact.version,
    }
    change = _CHANGES.get(type(fact))
    return after | change(fact, before) if change else after


def _optional(text: str) -> str | None:
    return instant(text) if text else None


def _raw(value: msgspec.Raw) -> str | None:
    return bytes(value).decode() or None


def _registered(fact: contract.TaskRegistered, _: Columns) -> Columns:
    spec = fact.spec
    kept = ("status", "deadline", "heartbeat_due", "next_poll", "updated_at", "version")
    fresh = {name: None for name in _NEW if name not in ("workspace", "task_id", *kept)}
    return fresh | {
        "issued": spec.issued,
        "external_job_id": spec.external_job_id,
        "metadata": _raw(spec.metadata),
        "owner": spec.owner,
        "poll": None if spec.poll is None else _encode(_poll(spec.poll)).decode(),
        "on_settled_url": spec.on_settled_url or None,
        "execution_url": spec.execution_url or None,
        "heartbeat_ms": spec.heartbeat_ms,
        "attempts": 0,
        "created_by": fact.actor,
        "created_at": instant(fact.at),
    }


def _poll(poll: contract.Poll) -> dict[str, Any]:
    """As a registration says it; headers are still sealed."""
    reading = poll.reading
    return {
        "url": poll.url or None,
        "lambda": poll.lambda_function or None,
        "method": poll.method,
        "headers": poll.headers,
        "payload": poll.payload if bytes(poll.payload) else None,
        "interval_seconds": poll.interval_ms / 1000,
        "backoff": poll.backoff,
        "max_interval_seconds": poll.max_interval_ms / 1000,
        "max_attempts": poll.max_attempts,
        "status_path": reading.status_path,
        "result_path": reading.result_path,
        "completed_values": reading.completed_values,
        "failed_values": reading.failed_values,
    }


def _polled(fact: contract.TaskPolled, _: Columns) -> Columns:
    found: Columns = {
        "attempts": fact.poll,
        "last_poll_at": instant(fact.finished_at),
        "last_poll_verdict": fact.verdict,
    }
    if fact.external_status:
        found["external_status"] = fact.external_status
    return found | ({"last_heartbeat_at": instant(fact.at)} if fact.verdict == "running" else {})


def _settled(fact: contract.TaskSettled, _: Columns) -> Columns:
    return {
        "outcome": fact.outcome,
        "result": _raw(fact.result),
        "result_digest": fact.result_digest or None,
        "error": fact.error or None,
        "cause": fact.cause_text or None,
        "settled_by": fact.actor,
        "settled_how": fact.cause.rule,
        "settled_at": instant(fact.at),
        "confirmation": fact.confirmation,
    }


def _concluded(fact: contract.SettlementConcluded, _: Columns) -> Columns:
    return {
        "confirmation": fact.confirmation,
        "confirmation_code": fact.code or None,
        "confirmation_detail": fact.detail or fact.error or None,
        "confirmation_attempts": fact.attempts,
        "confirmed_at": instant(fact.finished_at),
    }


_CHANGES: Final[Mapping[type[Any], Callable[[Any, Columns], Columns]]] = {
    contract.TaskRegistered: _registered,
    contract.TaskPolled: _polled,
    contract.HeartbeatAccepted: lambda fact, _: {"last_heartbeat_at": instant(fact.at)},
    contract.TaskSettled: _settled,
    contract.SettlementConcluded: _concluded,
}
