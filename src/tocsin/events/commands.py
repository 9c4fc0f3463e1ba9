"""What every domain shares: wake-ups, policies, and how the answer of a command travels to the client that waits."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class TimerDue(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A wake-up for one entity of this domain; the decision itself checks what is due. ``due_at`` in Unix ms."""

    entity: str
    due_at: int


class PolicyActivated(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A policy governs from here on; published to every partition of the domain. ``version`` = digest of the body."""

    version: str
    body: dict[str, Any]


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One request this fact answers. ``wait``: a client is waiting right now and is woken by NOTIFY."""

    event_id: str
    wait: bool = False
    request_digest: str = ""


class Cause(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Why a fact exists: the event (id, type and position in the log), the rule that decided, and what it compared.

    The topic is the events topic of the fact's own domain. ``offsets`` lists every event folded into the fact, in
    order; the last one is ``offset``, which is also the version of the entity. A timer's cause is its TimerDue event.
    """

    event_id: str
    event_type: str
    partition: int
    offset: int
    rule: str
    values: dict[str, Any] = {}
    offsets: tuple[int, ...] = ()
    correlation_id: str = ""


class Fact(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What every fact carries. ``at``: logical time of the decision, RFC 3339 UTC with milliseconds."""

    entity: str
    at: str
    cause: Cause
    answers: tuple[Answer, ...] = ()

    @property
    def version(self) -> int:
        return self.cause.offset


class CommandUnchanged(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A command that asked for what already is; answered like the change itself."""

    subject_id: str
    command: str


RefusalReason = Literal[
    "unknown",  # no such entity → 404
    "final",  # the status admits no further move → 409
    "illegal_move",  # allowed lists the next statuses → 409
    "newer_episode_unresolved",  # open_ticket_id names it → 409
    "unresolved",  # only resolved tickets can be hidden → 409
    "version_mismatch",  # If-Match was stale → 412
    "merged",  # the incident was merged into another → 409
    "merging",  # a merge with another incident is under way → 409
    "same_incident",  # an incident cannot be merged into itself → 409
    "not_a_member",  # an alert does not belong to the incident → 409
    "nothing_left",  # a split would leave no alert behind → 409
    "quota_exceeded",  # the workspace has as many jobs as it may have → 429
    "over",  # what runs once has run → 409
    "too_many",  # the workspace has as many as it may have → 409
    "resolved",  # the ticket is resolved: nobody is to be told of it → 409
    "past",  # the time asked for has passed → 422
    "no_ladder",  # no escalation ladder governs the ticket → 409
    "settled",  # the task was settled, once and for all → 409
    "registered_otherwise",  # the token belongs to a task that was registered with another body → 409
    "nothing_to_poll",  # the task names nobody to ask → 409
]


class CommandRefused(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A command that was decided against, with the reason and what would be allowed."""

    subject_id: str
    command: str
    reason: RefusalReason
    detail: str
    allowed: tuple[str, ...] = ()
    open_ticket_id: str = ""
    current_version: int | None = None


class DeliveryIgnored(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An event id seen before came with another identity; the first one won."""


class PolicyApplied(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    policy_version: str
    body: dict[str, Any]
