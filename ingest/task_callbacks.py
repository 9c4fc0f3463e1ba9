"""What an outside job says of itself, as the event it becomes. Pure."""

from __future__ import annotations

from typing import Any, Final

from tocsin.events import tasks as contract
from tocsin.ingest.task_bodies import Callback
from tocsin.ingest.task_spec import Result

ACTOR: Final = "callback"


def event_of(task_id: str, said: Callback, result: Result) -> contract.HeartbeatReceived | contract.SettleRequested:
    """A result that no workflow takes is a failure here: it cannot travel on, and the job asks only once."""
    if said.status == "RUNNING":
        return contract.HeartbeatReceived(task_id=task_id, actor=ACTOR)
    more: dict[str, Any] = {"outcome": "failure", "error": said.error, "cause": said.cause}
    if said.status == "COMPLETED":
        more = {"outcome": "success"} | result.fields()
        if len(result.text) > contract.MAX_RESULT_BYTES:
            more = {
                "outcome": "failure",
                "error": contract.RESULT_TOO_LARGE,
                "cause": contract.too_large(len(result.text)),
            }
    return contract.SettleRequested(task_id=task_id, actor=ACTOR, via="callback", **more)
