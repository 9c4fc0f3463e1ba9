"""``poc-poller``: asks about every outside job that is due, and settles the workflows whose jobs have ended.

Any number may run at once: a poll is claimed in the table before it is made, and the end is decided there before Step
Functions hears of it. What could not be told is told by the next run.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from lambdas import token_table
from lambdas.clients import client, states
from lambdas.decisions import WAITING, Answer, Waiting, decide
from lambdas.settling import heartbeat, tell

MOST_A_RUN: Final = 200
_AT_ONCE: Final = 8


def handle(event: Mapping[str, Any], _context: object) -> dict[str, int]:
    """``{"now": true}`` asks about every waiting job, due or not. What became of each row, counted."""
    until = 2**53 if event.get("now") else _now()
    rows = token_table.due(until, MOST_A_RUN)
    states(), client("lambda")  # clients are made in one thread only
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(Counter(pool.map(visit, rows)))


def visit(row: Waiting) -> str:
    """One row: asks, decides, tells. Returns what became of it."""
    if row.status not in WAITING:
        return _tell_again(row)
    if not row.job_id and _now() < row.deadline:
        return "not_started"
    claimed = token_table.claim(row, _now())
    if claimed is None:
        return "claimed_by_another"
    answer = _ask(claimed)
    now = _now()
    what = decide(claimed, answer, now)
    if what is None:
        return _wait_on(claimed, answer, now)
    if not token_table.settle(claimed.token_id, what, answer.status, now, now):
        return "settled_by_another"
    word, code = tell(claimed.task_token, what)
    if word != "pending":
        token_table.conclude(claimed.token_id, word, code, _now())
    return what.status


def _ask(row: Waiting) -> Answer:
    """An answer that cannot be had counts as an attempt, so a dead service ends in MAX_ATTEMPTS."""
    if not row.job_id:
        return Answer("", reason="the job was never started")
    event = json.dumps({"action": "CHECK_STATUS", "job_id": row.job_id}).encode()
    function = os.environ.get("SIMULATED_API_FUNCTION", "poc-simulated-api")
    answer = client("lambda").invoke(FunctionName=function, Payload=event)
    body = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        return Answer("", reason=f"{body.get('errorType')}: {body.get('errorMessage')}")
    return Answer(str(body["status"]), body.get("result"), str(body.get("reason", "")))


def _wait_on(row: Waiting, answer: Answer, now: int) -> str:
    token_table.note(row.token_id, answer.status, answer.reason, now)
    if not row.heartbeat:
        return "waiting"
    code = heartbeat(row.task_token)
    if not code:
        return "waiting"
    what = decide(row, Answer(""), row.deadline)
    if what is not None and token_table.settle(row.token_id, what, answer.status, now, now):
        token_table.conclude(row.token_id, "closed_elsewhere", code, _now())
    return "closed_elsewhere"


def _tell_again(row: Waiting) -> str:
    word, code = tell(row.task_token, token_table.settlement_of(row.token_id), told_before=True)
    if word == "pending":
        return "not_told"
    token_table.conclude(row.token_id, word, code, _now())
    return "told_later"


def _now() -> int:
    return time.time_ns() // 1_000_000
