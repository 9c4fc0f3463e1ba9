"""Telling Step Functions what was decided, and what its errors mean for whoever tells."""

from __future__ import annotations

from typing import Final, Literal

from botocore.exceptions import ClientError

from lambdas.clients import states
from lambdas.decisions import Settlement

Word = Literal["confirmed", "unconfirmed", "rejected_by_aws", "pending"]

CLOSED: Final = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
"""The token will never be taken again. AWS says TaskTimedOut of a token that is settled or expired; MiniStack says
TaskDoesNotExist and moto InvalidToken of the same. Source: AWS API reference, SendTaskSuccess, Errors."""
REFUSED: Final = CLOSED | {"InvalidOutput", "ValidationException"}


def tell(task_token: str, what: Settlement, *, told_before: bool = False) -> tuple[Word, str]:
    """(what became of it, AWS's error code). pending: to be tried again, as after a throttle or a 5xx.

    ``told_before``: an earlier try may have arrived, so a closed token is no refusal.
    """
    try:
        if what.status == "COMPLETED":
            states().send_task_success(taskToken=task_token, output=what.output)
        else:
            states().send_task_failure(taskToken=task_token, error=what.error, cause=what.cause)
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        if code not in REFUSED:
            return "pending", code
        return ("unconfirmed" if told_before and code in CLOSED else "rejected_by_aws"), code
    return "confirmed", ""


def heartbeat(task_token: str) -> str:
    """Empty when the token still waits, else the code that says it does not. Raises ClientError for anything else."""
    try:
        states().send_task_heartbeat(taskToken=task_token)
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        if code in CLOSED:
            return code
        raise
    return ""
