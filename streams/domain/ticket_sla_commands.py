"""What people do about a ticket that is overdue: acknowledge, snooze, escalate. And what became of messages."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.events import sla as contract
from tocsin.events.commands import CommandRefused, Fact
from tocsin.events.times import rfc3339, unix_ms
from tocsin.streams.domain import ladder_moves
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.sla_rules import NO_RULES
from tocsin.streams.domain.sla_state import Sla, positions
from tocsin.streams.domain.sla_telling import Telling
from tocsin.streams.domain.ticket_clocks import follow
from tocsin.streams.domain.ticket_escalation import Rising
from tocsin.streams.domain.ticket_moves import addressed, refused, unchanged
from tocsin.streams.domain.ticket_policy import TicketsPolicy
from tocsin.streams.domain.ticket_state import TicketState


def acknowledge(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    """Stops the ladders and the clock of the first response; said again, only where there is something to stop."""
    event: contract.TicketAcknowledgeRequested = received.event
    if isinstance(found := _unresolved(state, received, policy, "acknowledge"), Telling):
        if _is_acknowledged(found.sla):
            return (unchanged(received, "acknowledge", "already_acknowledged"),)
        ladders = found.rules.body.ladders
        moved = [ladder_moves.acknowledged(one, ladders.get(one.ladder), received.now) for one in found.sla.climbs]
        kept = tuple(one for one in moved if one is not None)
        rearmed = min((one.next_at for one in kept), default=0)
        found.say(
            contract.TicketAcknowledged,
            "acknowledged",
            answers=received.answers(),
            actor=event.actor,
            reason=event.reason,
            rearmed_at=rfc3339(rearmed) if rearmed else "",
            ladders=positions(kept),
        )
        follow(found, received.now, "acknowledged")
        return found.facts
    return found


def _is_acknowledged(sla: Sla) -> bool:
    response = sla.latest("first_response")
    return bool(sla.acknowledged_at) and not sla.climbs and not (response and response.open)


def snooze(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    """Raises ValueError when ``until`` is no time."""
    event: contract.TicketSnoozeRequested = received.event
    until = unix_ms(event.until)
    if isinstance(found := _unresolved(state, received, policy, "snooze"), Telling):
        if until <= received.now:
            return (refused(received, "snooze", "past", f"{event.until} has passed"),)
        if until == found.sla.snoozed_until:
            return (unchanged(received, "snooze", "same_time"),)
        found.say(
            contract.TicketSnoozed,
            "snoozed",
            answers=received.answers(),
            until=rfc3339(until),
            actor=event.actor,
            reason=event.reason,
        )
        return found.facts
    return found


def escalate(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    """The next step of the ladder that runs, else of the one a missed resolution would climb."""
    event: contract.TicketEscalateRequested = received.event
    if isinstance(found := _unresolved(state, received, policy, "escalate"), Telling):
        rising = Rising(found)
        if not rising.by_hand():
            detail = "no ladder of the SLA policy is for this ticket"
            return (refused(received, "escalate", "no_ladder", detail),)
        rising.finish(event.actor, event.reason, received.answers())
        return found.facts
    return found


def _unresolved(
    state: TicketState | None, received: Received, policy: TicketsPolicy, command: str
) -> Telling | Sequence[Fact]:
    """The unresolved ticket a command names, or the answer why there is none."""
    if received.duplicate:
        return ()
    found = addressed(state, received, command)
    if isinstance(found, CommandRefused):
        return (found,)
    known, episode = found
    if not episode.unresolved:
        return (refused(received, command, "resolved", f"the ticket is {episode.status}"),)
    return Telling(known, episode, received, policy.sla or NO_RULES)


def notification_finished(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    """For the ledger; a message that failed changes nothing about the ticket, and opens none."""
    event: contract.NotificationFinished = received.event
    return (
        contract.NotificationRecorded(
            entity=received.entity,
            at=received.at,
            cause=received.cause(event.result),
            ticket_id=event.ticket_id,
            notification_id=event.notification_id,
            delivery_id=event.delivery_id,
            result=event.result,
            attempts=event.attempts,
            finished_at=event.finished_at,
            status=event.status,
            error=event.error,
            detail=event.detail,
        ),
    )
