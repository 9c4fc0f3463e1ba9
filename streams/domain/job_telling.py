"""Tells the facts of one event about a job in order, each on top of the state the one before left."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from tocsin.events.commands import CommandRefused, CommandUnchanged, Fact, RefusalReason
from tocsin.events.identity import delivery_id, failure_entity
from tocsin.events.jobs import JobFact, RunRequest
from tocsin.events.times import rfc3339
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.job_evolution import evolve
from tocsin.streams.domain.job_state import Job, JobsState, next_slot, slot_text

_PORTS: Final = {"http": 80, "https": 443}


class Telling:
    """``facts``: what was decided so far; ``state``: after them."""

    def __init__(self, state: JobsState | None, received: Received) -> None:
        self.state = state or JobsState(received.entity)
        self.received = received
        self.facts: list[Fact] = []

    @property
    def job(self) -> Job:
        """Only where there is one."""
        assert self.state.job is not None  # noqa: S101 - callers have looked
        return self.state.job

    def about(self, fact: type[JobFact], rule: str, /, **fields: Any) -> None:
        """A fact about the job, with its status and next run after it unless they are among the fields. ``values`` are
        what the rule compared."""
        received, job, values = self.received, self.state.job, fields.pop("values", {})
        at = received.now if job is None else max(received.now, job.updated_at + 1)
        common: dict[str, Any] = {} if job is None else {"status": job.status, "next_run": job.next_run}
        cause = received.cause(rule, **values)
        self.say(fact(entity=received.entity, at=rfc3339(at), cause=cause, job_id=received.entity, **(common | fields)))

    def plain(self, fact: type[Fact], rule: str, /, **fields: Any) -> None:
        """A fact that changes no job."""
        received, values = self.received, fields.pop("values", {})
        self.say(fact(entity=received.entity, at=received.at, cause=received.cause(rule, **values), **fields))

    def say(self, fact: Fact) -> None:
        self.state = evolve(self.state, fact) or self.state
        self.facts.append(fact)

    # --- what facts are made of ---

    def following(self, slot: int) -> str:
        """The next run once this slot is handled."""
        following = next_slot(self.job.spec, slot)
        return "" if following is None else slot_text(following)

    def request(self, run: str, not_before: int, scheduled_for: int) -> RunRequest:
        """What is to be delivered for a run; times in Unix ms."""
        spec = self.job.spec
        where = delivery_id(self.received.envelope.workspace, endpoint_of(spec.callback_url), run)
        return RunRequest(
            delivery_id=where, not_before=rfc3339(not_before), scheduled_for=rfc3339(scheduled_for), spec=spec
        )

    def ticket_entity(self) -> str:
        workflow, identifier = failure_names(self.received.entity, self.job.spec.name)
        return failure_entity(self.received.envelope.workspace, workflow, identifier)

    # --- answers ---

    def refused(self, command: str, reason: RefusalReason, detail: str, **more: Any) -> list[Fact]:
        fields = {"answers": self.received.answers(), "subject_id": self.received.entity} | more
        self.plain(CommandRefused, reason, command=command, reason=reason, detail=detail, **fields)
        return self.facts

    def unchanged(self, command: str, rule: str) -> list[Fact]:
        answers = self.received.answers()
        self.plain(CommandUnchanged, rule, command=command, subject_id=self.received.entity, answers=answers)
        return self.facts


def endpoint_of(url: str) -> str:
    """Scheme, host and port of a URL that was checked."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def failure_names(job_id: str, name: str) -> tuple[str, str]:
    """Workflow and identifier of the ticket that a job's final failure opens."""
    return f"job:{name}", f"job:{job_id}"
