"""Tickets: dedup of failures, occurrences beside deliveries, the status machine, re-open or a new linked ticket."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final

import msgspec

from tocsin.events import sla
from tocsin.events import tickets as contract
from tocsin.events.commands import Answer, Fact
from tocsin.events.times import rfc3339
from tocsin.events.vocabulary import DEFAULT_TIER, PRIORITY_OF_SEVERITY
from tocsin.streams.domain.decision import Domain, Received
from tocsin.streams.domain.sla_activation import AMENDING, amended, policy_activated
from tocsin.streams.domain.ticket_clocks import first_clocks
from tocsin.streams.domain.ticket_commands import change_status, hide, succeeded
from tocsin.streams.domain.ticket_effects import effects
from tocsin.streams.domain.ticket_live import live
from tocsin.streams.domain.ticket_policy import TicketsPolicy, policy_of
from tocsin.streams.domain.ticket_priority import with_priority
from tocsin.streams.domain.ticket_repeats import latest_of, repeats
from tocsin.streams.domain.ticket_reports import report
from tocsin.streams.domain.ticket_sla import followed
from tocsin.streams.domain.ticket_sla_commands import acknowledge, escalate, notification_finished, snooze
from tocsin.streams.domain.ticket_state import Episode, TicketState, evolve
from tocsin.streams.domain.ticket_timers import advance, next_due

# --- decide ---------------------------------------------------------------------------------------------------------


def decide(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    if (by_itself := _BY_THEMSELVES.get(type(received.event))) is not None:
        return by_itself(state, received, policy)
    decision = _DECISIONS.get(type(received.event))
    facts = decision(state, received, policy) if decision else ()
    if policy.sla is None or not facts:
        return facts
    more = followed(state, facts, received, policy.sla)
    return [*facts, *more] if more else facts


def _failure_reported(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    if received.duplicate:
        return (_delivered_again(state, received),)
    if state is None:
        return (_opened(None, received, policy, "new_identity"),)
    if (episode := state.unresolved()) is not None:
        return with_priority(episode, _counted(state, episode, received), received)
    last = state.last_resolved()
    if last.status == "closed":
        return (_opened(state, received, policy, "previous_closed"),)
    window = policy.reopen_within(last.source)
    if window is None:
        return (_opened(state, received, policy, "policy_never_reopens"),)
    if last.window_open and received.now < last.resolved_at + window:
        return with_priority(last, _reopened(state, last, received, window), received)
    return (_opened(state, received, policy, "reopen_window_passed", window),)


def _opened(
    state: TicketState | None, received: Received, policy: TicketsPolicy, rule: str, window_ms: int | None = None
) -> Fact:
    event: contract.FailureReported = received.event
    priority, now = PRIORITY_OF_SEVERITY[event.severity], received.now
    number, values = 1, {}
    if state is not None:
        last = state.last_resolved()
        number = state.episodes[-1].number + 1
        values = {
            "previous_status": last.status,
            "resolved_at": rfc3339(last.resolved_at),
            "reopen_within_ms": window_ms,
        }
    return contract.TicketOpened(
        entity=received.entity,
        at=received.at,
        cause=received.cause(rule, **values),
        answers=received.answers(),
        ticket_id=f"{received.entity}-{number}",
        episode=number,
        workflow=event.workflow,
        identifier=event.identifier,
        identity_reason=event.identity_reason,
        first_seen_at=event.occurred_at,
        latest=latest_of(event),
        previous_ticket_id=state.ticket_id(state.last_resolved()) if state else "",
        priority=priority,
        clocks=first_clocks(policy.sla, DEFAULT_TIER, priority, event.source, at=now, now=now, created_at=now),
    )


def _counted(state: TicketState, episode: Episode, received: Received) -> Fact:
    event: contract.FailureReported = received.event
    return contract.OccurrencesCounted(
        entity=received.entity,
        at=rfc3339(max(received.now, episode.updated_at)),
        cause=received.cause("unresolved_ticket"),
        answers=received.answers(),
        ticket_id=state.ticket_id(episode),
        occurrences=episode.occurrences + 1,
        deliveries=episode.deliveries + 1,
        occurrences_added=1,
        deliveries_added=1,
        last_seen_at=_later(episode.last_seen_at, event.occurred_at),
        latest=latest_of(event),
    )


def _delivered_again(state: TicketState | None, received: Received) -> Fact:
    if state is None:
        return contract.DeliveryIgnored(
            entity=received.entity,
            at=received.at,
            cause=received.cause("event_id_seen_with_another_identity"),
            answers=received.answers(),
        )
    episode = state.unresolved() or state.episodes[-1]
    return contract.OccurrencesCounted(
        entity=received.entity,
        at=rfc3339(max(received.now, episode.updated_at)),
        cause=received.cause("duplicate_delivery"),
        answers=received.answers(),
        ticket_id=state.ticket_id(episode),
        occurrences=episode.occurrences,
        deliveries=episode.deliveries + 1,
        occurrences_added=0,
        deliveries_added=1,
        last_seen_at=episode.last_seen_at,
    )


def _reopened(state: TicketState, episode: Episode, received: Received, window_ms: int) -> Fact:
    event: contract.FailureReported = received.event
    return contract.TicketReopened(
        entity=received.entity,
        at=rfc3339(max(received.now, episode.updated_at + 1)),
        cause=received.cause(
            "resolved_within_window", resolved_at=rfc3339(episode.resolved_at), reopen_within_ms=window_ms
        ),
        answers=received.answers(),
        ticket_id=state.ticket_id(episode),
        from_status=episode.status,
        occurrences=episode.occurrences + 1,
        deliveries=episode.deliveries + 1,
        last_seen_at=_later(episode.last_seen_at, event.occurred_at),
        latest=latest_of(event),
    )


def _later(one: str, other: str) -> str:
    """The later of two RFC 3339 instants in the same UTC form, which sorts as text."""
    return one if one >= other else other


_DECISIONS: Final[dict[type, Callable[[TicketState | None, Received, TicketsPolicy], Sequence[Fact]]]] = {
    contract.FailureReported: _failure_reported,
    contract.StatusChangeRequested: change_status,
    contract.SuccessReported: succeeded,
    contract.HideRequested: hide,
}
_BY_THEMSELVES: Final[dict[type, Callable[[TicketState | None, Received, TicketsPolicy], Sequence[Fact]]]] = {
    contract.TicketReported: report,
    sla.TicketAcknowledgeRequested: acknowledge,
    sla.TicketSnoozeRequested: snooze,
    sla.TicketEscalateRequested: escalate,
    sla.SlaPolicyActivated: policy_activated,
    sla.NotificationFinished: notification_finished,
}
"""Those that see to the clocks themselves."""


# --- folding --------------------------------------------------------------------------------------------------------


def fold_key(fact: Fact) -> Hashable | None:
    """Repeats of one ticket in a batch become one fact; everything else stays apart."""
    return fact.ticket_id if type(fact) is contract.OccurrencesCounted else None


def fold(run: Sequence[contract.OccurrencesCounted]) -> Fact:
    """One fact for a run of counts of one ticket, in order; its cause is the last one, with all offsets."""
    last = run[-1]
    answers: tuple[Answer, ...] = tuple(answer for fact in run for answer in fact.answers)
    counted = [fact for fact in run if fact.latest is not None]
    return contract.OccurrencesCounted(
        entity=last.entity,
        at=max(fact.at for fact in run),
        cause=msgspec.structs.replace(
            counted[-1].cause if counted else last.cause,
            offset=last.cause.offset,
            offsets=tuple(offset for fact in run for offset in fact.cause.offsets),
        ),
        answers=answers,
        ticket_id=last.ticket_id,
        occurrences=last.occurrences,
        deliveries=last.deliveries,
        occurrences_added=sum(fact.occurrences_added for fact in run),
        deliveries_added=sum(fact.deliveries_added for fact in run),
        last_seen_at=last.last_seen_at,
        latest=counted[-1].latest if counted else None,
    )


TICKETS: Final[Domain[TicketState, TicketsPolicy]] = Domain(
    name=contract.DOMAIN,
    events=contract.EVENTS,
    facts=contract.FACTS,
    state_type=TicketState,
    policy=policy_of,
    decide=decide,
    advance=advance,
    evolve=evolve,
    next_due=next_due,
    fold_key=fold_key,
    fold=fold,
    effects=effects,
    amending=AMENDING,
    amended=amended,
    looked_at=True,
    live=live,
    run=repeats,
)
