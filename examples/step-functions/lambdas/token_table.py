"""Table ``poc-task-tokens``: every change is conditional, so any number of pollers count and settle once.

Rows that still need something carry ``waiting``, the key of the sparse index ``waiting-next_poll``; it and the token
itself, a secret, go when AWS has heard of the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, cast

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from lambdas.clients import table
from lambdas.decisions import Settlement, Status, Waiting

INDEX: Final = "waiting-next_poll"
KEPT_SECONDS: Final = 7 * 86_400
_UNSETTLED: Final = "#status IN (:pending, :polling)"
_UNSETTLED_VALUES: Final = {":pending": "PENDING", ":polling": "POLLING"}
_STATUS: Final = {"#status": "status"}


def token_id(task_token: str) -> str:
    """By which a token is named in keys and logs, where itself must not be."""
    return hashlib.sha256(task_token.encode()).hexdigest()[:32]


def store(row: Waiting, execution: str, now: int) -> bool:
    """False when the token is there already: the same request came twice."""
    item = {
        "token_id": row.token_id,
        "task_token": row.task_token,
        "status": row.status,
        "attempts": 0,
        "max_attempts": row.max_attempts,
        "interval_ms": row.interval_ms,
        "deadline": row.deadline,
        "next_poll": row.next_poll,
        "heartbeat": row.heartbeat,
        "execution": execution,
        "created_at": now,
        "updated_at": now,
        "waiting": "yes",
        "expires_at": row.deadline // 1000 + KEPT_SECONDS,
    }
    try:
        _tokens().put_item(Item=item, ConditionExpression="attribute_not_exists(token_id)")
    except ClientError as error:
        if _lost(error):
            return False
        raise
    return True


def name_job(row: Waiting, job_id: str, now: int) -> None:
    """From now on the poller asks about the job."""
    values = {":job": job_id, ":at": now + row.interval_ms, ":now": now}
    _update(row.token_id, "SET job_id = :job, next_poll = :at, updated_at = :now", values)


def hand_over(row_id: str, job_id: str, to: str, now: int) -> None:
    """Somebody else polls and settles from now on; the token is theirs."""
    values = {":job": job_id, ":to": to, ":now": now}
    _update(row_id, "SET job_id = :job, polled_by = :to, updated_at = :now REMOVE waiting, task_token", values)


def due(now: int, most: int) -> list[Waiting]:
    """Rows whose next poll is due, the longest overdue first; also those whose end AWS has not heard of."""
    found = _tokens().query(
        IndexName=INDEX,
        KeyConditionExpression=Key("waiting").eq("yes") & Key("next_poll").lte(now),
        Limit=most,
    )
    return [_row(item) for item in found["Items"]]


def claim(row: Waiting, now: int) -> Waiting | None:
    """The row with one attempt more; None when another poller was first."""
    values = {":seen": row.attempts, ":next": row.attempts + 1, ":now": now, ":at": now + row.interval_ms}
    changed = _update(
        row.token_id,
        "SET attempts = :next, #status = :polling, next_poll = :at, updated_at = :now",
        {**values, **_UNSETTLED_VALUES},
        f"attempts = :seen AND {_UNSETTLED}",
    )
    return _row(changed) if changed else None


def note(row_id: str, external_status: str, detail: str, now: int) -> None:
    """What the last poll found, for people."""
    values = {":external": external_status, ":detail": detail[:500], ":now": now}
    _update(row_id, "SET external_status = :external, detail = :detail, updated_at = :now", values)


def settle(row_id: str, what: Settlement, external_status: str, now: int, observed_at: int) -> bool:
    """Decides the end once, before AWS hears of it. False when it was decided already."""
    expression = (
        "SET #status = :status, #output = :output, #error = :error, cause = :cause, settled_at = :now,"
        " observed_at = :observed, external_status = :external, confirmation = :pending_word,"
        " next_poll = :now, updated_at = :now"
    )
    values = {
        ":status": what.status,
        ":output": what.output,
        ":error": what.error,
        ":cause": what.cause,
        ":now": now,
        ":observed": observed_at,
        ":external": external_status,
        ":pending_word": "pending",
        **_UNSETTLED_VALUES,
    }
    return _update(row_id, expression, values, _UNSETTLED, {"#output": "output", "#error": "error"}) is not None


def conclude(row_id: str, confirmation: str, code: str, now: int) -> None:
    """AWS has heard of it, or never will: nothing is left to do, and the token is forgotten."""
    _update(
        row_id,
        "SET confirmation = :word, code = :code, updated_at = :now REMOVE waiting, task_token",
        {":word": confirmation, ":code": code, ":now": now},
    )


def settlement_of(row_id: str) -> Settlement:
    """What was decided, for the poller that tells AWS after another one could not."""
    item = _tokens().get_item(Key={"token_id": row_id}, ConsistentRead=True)["Item"]
    return Settlement(cast(Status, item["status"]), str(item["output"]), str(item["error"]), str(item["cause"]))


def _update(
    row_id: str,
    expression: str,
    values: Mapping[str, Any],
    condition: str = "attribute_exists(token_id)",
    names: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """The row after it; None when the condition did not hold."""
    used = {**(names or {}), **(_STATUS if "#status" in expression + condition else {})}
    try:
        answer = _tokens().update_item(
            Key={"token_id": row_id},
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeValues=dict(values),
            ReturnValues="ALL_NEW",
            **({"ExpressionAttributeNames": used} if used else {}),
        )
    except ClientError as error:
        if _lost(error):
            return None
        raise
    return cast(dict[str, Any], answer["Attributes"])


def _lost(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ConditionalCheckFailedException")


def _row(item: Mapping[str, Any]) -> Waiting:
    return Waiting(
        token_id=str(item["token_id"]),
        task_token=str(item.get("task_token", "")),
        status=cast(Status, item["status"]),
        attempts=int(item["attempts"]),
        max_attempts=int(item["max_attempts"]),
        interval_ms=int(item["interval_ms"]),
        deadline=int(item["deadline"]),
        next_poll=int(item["next_poll"]),
        job_id=str(item.get("job_id", "")),
        heartbeat=bool(item.get("heartbeat", False)),
        confirmation=str(item.get("confirmation", "")),
    )


def _tokens() -> Any:
    return table("TOKENS_TABLE", "poc-task-tokens")
