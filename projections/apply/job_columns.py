"""What each fact about a job changes in its row, and the slots it says something of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from tocsin.events import jobs as contract
from tocsin.events.times import rfc3339, unix_ms
from tocsin.projections.apply.facts import instant

Columns = dict[str, Any]
_encode: Final = msgspec.json.Encoder().encode
FIRST_SPEC: Final = 1
RUNNING: Final = "running"


def columns_after(fact: contract.JobFact, before: Columns) -> Columns:
    """The row after a fact; ``before`` is empty for a new job. Raises ValueError for a time that is none."""
    after = before | {
        "status": fact.status,
        "next_run": instant(fact.next_run) if fact.next_run else None,
        "updated_at": instant(fact.at),
        "ended_at": _ended_at(fact, before),
        "version": fact.version,
    }
    change = _CHANGES.get(type(fact))
    return after | change(fact, before) if change else after


def _ended_at(fact: contract.JobFact, before: Columns) -> str | None:
    if fact.status in ("active", "paused"):
        return None
    return before.get("ended_at") or instant(fact.at)


def spec_columns(spec: contract.JobSpec) -> Columns:
    return {
        "name": spec.name,
        "callback_url": spec.callback_url,
        **schedule_columns(spec),
        "payload": bytes(spec.payload).decode() or None,
        "payload_digest": spec.payload_digest or None,
        "headers": _encode(spec.headers).decode(),
        "max_attempts": spec.max_attempts,
        "catchup": spec.catchup,
        "catchup_window": spec.catchup_window_seconds,
        "catchup_on_resume": spec.catchup_on_resume,
        "overlap": spec.overlap,
        "jitter_seconds": spec.jitter_seconds,
        "expected_status": _encode(spec.expected_status).decode(),
        "tags": _encode(spec.tags).decode(),
        "resolve_on_success": spec.resolve_on_success,
    }


def schedule_columns(spec: contract.JobSpec) -> Columns:
    return {
        "cron": spec.cron or None,
        "run_at": instant(spec.run_at) if spec.run_at else None,
        "timezone": spec.timezone,
        "cron_format": spec.cron_format or None,
        "dst": spec.dst,
    }


def _created(fact: contract.JobCreated, _: Columns) -> Columns:
    return spec_columns(fact.spec) | {
        "spec_version": FIRST_SPEC,
        "last_run_id": None,
        "last_slot": None,
        "last_result": None,
        "last_finished_at": None,
        "created_by": fact.actor,
        "created_at": instant(fact.at),
    }


def _updated(fact: contract.JobUpdated, _: Columns) -> Columns:
    return spec_columns(fact.spec) | {"spec_version": fact.spec_version}


def _began(run_id: str, slot: str) -> Columns:
    return {"last_run_id": run_id, "last_slot": instant(slot), "last_result": RUNNING, "last_finished_at": None}


def _finished(fact: contract.RunFinished, before: Columns) -> Columns:
    """Only the run that began last is shown; an earlier one may end after it."""
    if before["last_run_id"] != fact.run_id:
        return {}
    return {"last_result": fact.result, "last_finished_at": instant(fact.finished_at)}


_CHANGES: Final[Mapping[type[Any], Callable[[Any, Columns], Columns]]] = {
    contract.JobCreated: _created,
    contract.JobUpdated: _updated,
    contract.SlotFired: lambda fact, _: _began(fact.run_id, fact.slot),
    contract.RunStarted: lambda fact, _: _began(fact.run_id, fact.request.scheduled_for),
    contract.RunFinished: _finished,
}

# --- slots ----------------------------------------------------------------------------------------------------------


def slots_of(fact: contract.JobFact) -> Iterator[tuple[tuple[int, str], Columns]]:
    """(spec version, slot) and what was decided of it. Raises ValueError for a time that is none."""
    decided = {"reason": fact.cause.rule, "decided_at": instant(fact.at), "run_id": None, "lateness_ms": None}
    if isinstance(fact, contract.SlotFired):
        ran = {"verdict": fact.verdict, "run_id": fact.run_id, "lateness_ms": fact.lateness_ms}
        yield (fact.spec_version, _whole(fact.slot)), decided | ran | {"more": 0, "first": None}
    elif isinstance(fact, contract.SlotsPassed):
        for nth, slot in enumerate(fact.slots):
            older = {"more": fact.more, "first": instant(fact.first) if fact.first and fact.more else None}
            rest = older if nth == 0 else {"more": 0, "first": None}
            yield (fact.spec_version, _from_ms(slot)), decided | {"verdict": fact.verdict} | rest


def number_of_slots(fact: contract.JobFact) -> tuple[str, int]:
    """The verdict and how many slots have it by this fact; none for facts about other things."""
    if isinstance(fact, contract.SlotFired):
        return fact.verdict, 1
    if isinstance(fact, contract.SlotsPassed):
        return fact.verdict, len(fact.slots) + fact.more
    return "", 0


def _whole(slot: str) -> str:
    """One text for one slot, however its fact wrote it: slots are told apart by it within a batch."""
    return rfc3339(unix_ms(instant(slot)))


def _from_ms(slot: int) -> str:
    try:
        return rfc3339(slot)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{slot} is no time in milliseconds") from error
