"""Tickets: dedup of failures, occurrences beside deliveries, the status machine, re-open or a new linked ticket."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.events import tickets as contract
from tocsin.events.commands import Answer, CommandRefused, CommandUnchanged, Fact, RefusalReason
from tocsin.events.identity import TICKET_ID
from tocsin.events.times import rfc3339
from tocsin.events.vocabulary import TICKET_MOVES, UNRESOLVED
from tocsin.streams.domain.decision import Domain, Received
from tocsin.streams.domain.ticket_state import Episode, TicketState, evolve

DEFAULT_REOPEN_WITHIN_MS: Final = 24 * 60 * 60 * 1000


class TicketsPolicy(msgspec.Struct, frozen=True):
    """How repeats of a resolved failure are treated: the re-open window in ms, None = never re-open."""

    reopen_within_ms: int | None = DEFAULT_REOPEN_WITHIN_MS
    sources: dict[str, int | None] = {}

    def reopen_within(self, source: str) -> int | None:
        return self.sources.get(source, self.reopen_within_ms)


def policy_of(body: Mapping[str, Any]) -> TicketsPolicy:
    """Raises msgspec.ValidationError when the body is no tickets policy."""
    return msgspec.convert(body, TicketsPolicy)


# --- decide ---------------------------------------------------------------------------------------------------------


def decide(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    decision = _DECISIONS.get(type(received.event))
    return decision(state, received, policy) if decision else ()


def _failure_reported(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    if received.duplicate:
        return (_delivered_again(state, received),)
    if state is None:
        return (_opened(None, received, "new_identity"),)
    if (episode := state.unresolved()) is not None:
        return (_counted(state, episode, received),)
    last = state.last_resolved()
    if last.status == "closed":
        return (_opened(state, received, "previous_closed"),)
    window = policy.reopen_within(last.source)
    if window is None:
        return (_opened(state, received, "policy_never_reopens"),)
    if last.window_open and received.now < last.resolved_at + window:
        return (_reopened(state, last, received, window),)
    return (_opened(state, received, "reopen_window_passed", window),)


def _latest(event: contract.FailureReported) -> contract.Latest:
    return contract.Latest(
        message=event.message,
        severity=event.severity,
        source=event.source,
        step=event.step,
        run_url=event.run_url,
        context=event.context,
        context_digest=event.context_digest,
    )


def _opened(state: TicketState | None, received: Received, rule: str, window_ms: int | None = None) -> Fact:
    event: contract.FailureReported = received.event
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
        latest=_latest(event),
        previous_ticket_id=state.ticket_id(state.last_resolved()) if state else "",
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
        latest=_latest(event),
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
        latest=_latest(event),
    )


def _later(one: str, other: str) -> str:
    """The later of two RFC 3339 instants in the same UTC form, which sorts as text."""
    return one if one >= other else other


def _status_change(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    event: contract.StatusChangeRequested = received.event
    if received.duplicate:
        return ()
    found = _addressed(state, received, "change_status")
    if isinstance(found, CommandRefused):
        return (found,)
    known, episode = found
    if event.status == episode.status:
        return (_unchanged(received, "change_status", "same_status"),)
    allowed = TICKET_MOVES[episode.status]
    if not allowed:
        detail = f"{episode.status} is final"
        return (_refused(received, "change_status", "final", detail),)
    if event.status not in allowed:
        detail = f"{episode.status} does not move to {event.status}"
        return (_refused(received, "change_status", "illegal_move", detail, allowed=allowed),)
    other = known.unresolved()
    if event.status in UNRESOLVED and other is not None and other.number != episode.number:
        detail = "a newer ticket of the same failure is unresolved"
        open_ticket = known.ticket_id(other)
        return (_refused(received, "change_status", "newer_episode_unresolved", detail, open_ticket_id=open_ticket),)
    return (_changed(known, episode, received, policy),)


def _changed(state: TicketState, episode: Episode, received: Received, policy: TicketsPolicy) -> Fact:
    event: contract.StatusChangeRequested = received.event
    now = max(received.now, episode.updated_at + 1)
    resolved_at = 0
    if event.status not in UNRESOLVED:
        resolved_at = episode.resolved_at or now
    window = policy.reopen_within(episode.source)
    reopens = event.status == "done" and window is not None
    return contract.StatusChanged(
        entity=received.entity,
        at=rfc3339(now),
        cause=received.cause("legal_move", **{"from": episode.status, "to": event.status}),
        answers=received.answers(),
        ticket_id=state.ticket_id(episode),
        from_status=episode.status,
        status=event.status,
        actor=event.actor,
        reason=event.reason,
        resolved_at=rfc3339(resolved_at) if resolved_at else "",
        reopen_until=rfc3339(resolved_at + window) if reopens and window is not None else "",
    )


def _hide(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    event: contract.HideRequested = received.event
    if received.duplicate:
        return ()
    found = _addressed(state, received, "hide")
    if isinstance(found, CommandRefused):
        return (found,)
    known, episode = found
    if episode.unresolved:
        return (_refused(received, "hide", "unresolved", "only a resolved ticket can be hidden", allowed=("done",)),)
    if episode.hidden:
        return (_unchanged(received, "hide", "already_hidden"),)
    return (
        contract.TicketHidden(
            entity=received.entity,
            at=rfc3339(max(received.now, episode.updated_at + 1)),
            cause=received.cause("resolved"),
            answers=received.answers(),
            ticket_id=known.ticket_id(episode),
            actor=event.actor,
        ),
    )


def _addressed(
    state: TicketState | None, received: Received, command: str
) -> tuple[TicketState, Episode] | CommandRefused:
    """The episode a command names, or why it cannot be had: unknown, forgotten, or another version than seen."""
    ticket_id: str = received.event.ticket_id
    episode = state.episode(ticket_id) if state else None
    if state is None or episode is None:
        if state and TICKET_ID.match(ticket_id) and int(ticket_id.rpartition("-")[2]) < state.episodes[0].number:
            return _refused(received, command, "final", "this episode is too old to be changed")
        return _refused(received, command, "unknown", f"no ticket {ticket_id}")
    expected = received.event.if_version
    if expected is not None and expected != episode.version:
        detail = f"the ticket is at version {episode.version}, not {expected}"
        return _refused(received, command, "version_mismatch", detail, current_version=episode.version)
    return state, episode


def _refused(received: Received, command: str, reason: RefusalReason, detail: str, **more: Any) -> CommandRefused:
    return CommandRefused(
        entity=received.entity,
        at=received.at,
        cause=received.cause(reason),
        answers=received.answers(),
        subject_id=received.event.ticket_id,
        command=command,
        reason=reason,
        detail=detail,
        **more,
    )


def _unchanged(received: Received, command: str, rule: str) -> CommandUnchanged:
    return CommandUnchanged(
        entity=received.entity,
        at=received.at,
        cause=received.cause(rule),
        answers=received.answers(),
        subject_id=received.event.ticket_id,
        command=command,
    )


_DECISIONS: Final[dict[type, Callable[[TicketState | None, Received, TicketsPolicy], Sequence[Fact]]]] = {
    contract.FailureReported: _failure_reported,
    contract.StatusChangeRequested: _status_change,
    contract.HideRequested: _hide,
}


# --- timers ---------------------------------------------------------------------------------------------------------


def _window_end(episode: Episode, policy: TicketsPolicy) -> int | None:
    if not episode.window_open:
        return None
    return episode.resolved_at + (policy.reopen_within(episode.source) or 0)


def next_due(state: TicketState, policy: TicketsPolicy) -> int | None:
    """When the first re-open window of the entity ends, Unix ms; None when none is open."""
    earliest: int | None = None
    for episode in state.episodes:
        if episode.window_open:
            end = _window_end(episode, policy)
            if end is not None and (earliest is None or end < earliest):
                earliest = end
    return earliest


def advance(state: TicketState, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    facts: list[Fact] = []
    for episode in state.episodes:
        if not episode.window_open:
            continue
        end = _window_end(episode, policy)
        if end is not None and end <= received.now:
            facts.append(
                contract.ReopenWindowEnded(
                    entity=state.entity,
                    at=received.at,
                    cause=received.cause("reopen_window_passed", ended_at=rfc3339(end)),
                    ticket_id=state.ticket_id(episode),
                )
            )
    return facts


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
)
