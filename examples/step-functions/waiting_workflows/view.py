"""What is shown while workflows wait: a line for every change, or a table that stays on the screen."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from boto3.dynamodb.types import TypeDeserializer
from rich.table import Table

from waiting_workflows.stacks import TOKENS, Stack

_DESERIALIZER = TypeDeserializer()
_MASKED = {"task_token"}
_NUMBERS = {"attempts", "age s", "left s"}


@dataclass(frozen=True)
class Look:
    """One workflow at one moment."""

    execution: str
    row: str = "-"
    attempts: int = 0
    max_attempts: int = 0
    external: str = "-"
    confirmation: str = "-"

    @classmethod
    def of(cls, execution: str, row: Mapping[str, Any] | None) -> Look:
        if row is None:
            return cls(execution)
        return cls(
            execution,
            str(row["status"]),
            int(row["attempts"]),
            int(row["max_attempts"]),
            str(row.get("external_status") or "-"),
            str(row.get("confirmation") or "-"),
        )

    def __str__(self) -> str:
        return (
            f"execution {self.execution:<9} token {self.row:<12} attempts {self.attempts}/{self.max_attempts}"
            f"  job {self.external:<9} told {self.confirmation}"
        )


def rows(stack: Stack) -> list[dict[str, Any]]:
    """Every row of ``poc-task-tokens``, oldest first; tokens are secrets and are left out."""
    found = []
    for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=TOKENS, ConsistentRead=True):
        for item in page["Items"]:
            row = {name: _DESERIALIZER.deserialize(value) for name, value in item.items() if name not in _MASKED}
            found.append(row)
    return sorted(found, key=lambda row: int(row["created_at"]))


def row_of(stack: Stack, execution: str) -> dict[str, Any] | None:
    return next((row for row in rows(stack) if row.get("execution") == execution), None)


def task_of(tocsin: httpx.Client, job_id: str) -> dict[str, Any] | None:
    """tocsin's task of a job, in the words of a row."""
    found = tocsin.get("/v1/tasks", params={"external_job_id": job_id}).raise_for_status().json()["items"]
    if not found:
        return None
    task: dict[str, Any] = tocsin.get(f"/v1/tasks/{found[0]['id']}").raise_for_status().json()
    settlement, last = task["settlement"], task["last_poll"]
    row = {
        "token_id": task["id"],
        "status": task["status"],
        "attempts": task["attempts"],
        "max_attempts": task["poll"]["max_attempts"],
        "external_status": (last or {}).get("external_status"),
        "waiting": settlement is None or settlement["confirmation"] == "pending",
    }
    if settlement is None:
        return row
    by_poll = last is not None and task["status"] != "TIMEOUT"
    observed = last["finished_at"] if by_poll else settlement["settled_at"]
    return row | {
        "confirmation": settlement["confirmation"],
        "observed_at": round(datetime.fromisoformat(observed).timestamp() * 1_000),
        "output": json.dumps(settlement["result"]),
    }


def table(stacks: list[Stack], *, most: int = 40) -> Table:
    """The newest rows of each region."""
    shown = Table(title=f"{TOKENS}, {datetime.now(UTC):%H:%M:%S} UTC", title_justify="left")
    for column in ("region", "execution", "status", "attempts", "job", "told", "age s", "left s"):
        shown.add_column(column, justify="right" if column in _NUMBERS else "left", overflow="fold")
    now = time.time() * 1_000
    for stack in stacks:
        for row in rows(stack)[-most:]:
            waits = bool(row.get("waiting"))
            shown.add_row(
                stack.region,
                str(row.get("execution", "")).rpartition(":")[2],
                str(row["status"]),
                f"{row['attempts']}/{row['max_attempts']}",
                str(row.get("external_status") or "-"),
                " ".join(filter(None, (str(row.get("confirmation") or ""), str(row.get("code") or "")))) or "-",
                f"{(now - int(row['created_at'])) / 1_000:.0f}",
                f"{(int(row['deadline']) - now) / 1_000:.0f}" if waits else "-",
            )
    return shown
