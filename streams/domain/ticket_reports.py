"""Reports of tickets that other systems keep (``POST /tickets``): the first one registers a ticket, later ones move it.

A report about a failure's ticket sets what it says; only failures open such a ticket.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tocsin.events import tickets as contract
from tocsin.events.commands import Fact
from tocsin.events.times import rfc3339, unix_ms
from tocsin.events.vocabulary import UNRESOLVED
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.sla_state import ORDINARY, Sla
from tocsin.streams.domain.sla_telling import Telling
from tocsin.streams.domain.ticket_clocks import Why, first_clocks, follow
from tocsin.streams.domain.ticket_escalation import Rising
from tocsin.streams.domain.ticket_moves import illegal_move, moved, refused
from tocsin.streams.domain.ticket_policy import TicketsPolicy
from tocsin.streams.domain.ticket_sla import after, run_timers
from tocsin.streams.domain.ticket_state import Episode, TicketState, evolve

COMMAND: Final = "report"
SOURCE: Final = "report"
"""Of tickets that other systems keep; also who moves them."""
_FAILURE: Final = "t_"


def report(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    """Raises ValueError when a time of the report is none."""
    event: contract.TicketReported = received.event
    if received.duplicate:
        return ()
    episode = state.episode(event.ticket_id) if state else None
    if state is None or episode is None:
        if event.ticket_id.startswith(_FAILURE) or event.ticket_id != received.entity:
            detail = f"no ticket {event.ticket_id}; only failures open such tickets"
            return (refused(received, COMMAND, "unknown", detail),)
        return _registered(received, policy)
    if ignored := _ignored(state, episode, received):
        return (ignored,)
    if event.status != episode.status:
        why = illegal_move(state, episode, event.status, received, COMMAND)
        if why is not None:
            return (why,)
    return _revised(state, episode, received, policy)


def _said(event: contract.TicketReported) -> dict[str, Any]:
    return {
        "priority": event.priority,
        "customer_tier": event.customer_tier,
        "source_updated_at": rfc3339(unix_ms(event.updated_at)),
        "digest": _digest(event),
        "title": event.title,
        "url": event.url,
        "assignee": event.assignee,
        "requester": event.requester,
        "tags": event.tags,
    }


def _digest(event: contract.TicketReported) -> str:
    told = msgspec.structs.replace(event, notify=True)
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]


# --- the first one --------------------------------------------------------------------------------------------------


def _registered(received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    event: contract.TicketReported = received.event
    created = unix_ms(event.created_at)
    # somebody's clock may be ahead of the log's
    since = min(received.now, max(created, unix_ms(event.updated_at)))
    resolved = event.status not in UNRESOLVED
    fact = contract.TicketRegistered(
        entity=received.entity,
        at=received.at,
        cause=received.cause("registered"),
        answers=received.answers(),
        ticket_id=event.ticket_id,
        status=event.status,
        created_at=rfc3339(created),
        resolved_at=rfc3339(since) if resolved else "",
        # clocks run from the ticket's creation on; the status is what it is since the reporter's last change
        clocks=first_clocks(
            policy.sla,
            event.customer_tier,
            event.priority,
            SOURCE,
            at=min(created, since),
            now=received.now,
            created_at=created,
        ),
        **_said(event),
    )
    state = evolve(None, fact)
    if state is None or policy.sla is None:
        return (fact,)
    telling = Telling(state, state.episodes[-1], received, policy.sla, notify=event.notify)
    follow(telling, min(created, since), "status", "open")
    rising = Rising(telling)
    run_timers(telling, rising, since)
    follow(telling, since, "status")
    rising.sweep()
    run_timers(telling, rising, received.now)
    rising.finish()
    return (fact, *telling.facts)


# --- later ones -----------------------------------------------------------------------------------------------------


def _ignored(state: TicketState, episode: Episode, received: Received) -> Fact | None:
    event: contract.TicketReported = received.event
    sla = episode.sla or ORDINARY
    if not sla.reported_at:
        return None
    if unix_ms(event.updated_at) < sla.reported_at:
        rule = "stale"
    elif _digest(event) == sla.report:
        rule = "identical"
    else:
        return None
    return contract.ReportIgnored(
        entity=received.entity,
        at=received.at,
        cause=received.cause(rule),
        answers=received.answers(),
        ticket_id=event.ticket_id,
        source_updated_at=rfc3339(sla.reported_at),
        reported_updated_at=event.updated_at,
    )


def _revised(state: TicketState, episode: Episode, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    event: contract.TicketReported = received.event
    sla = episode.sla or ORDINARY
    now = max(received.now, episode.updated_at + 1)
    facts: list[Fact] = [
        contract.TicketRevised(
            entity=received.entity,
            at=rfc3339(now),
            cause=received.cause("revised"),
            answers=received.answers(),
            ticket_id=event.ticket_id,
            from_priority=sla.priority,
            from_customer_tier=sla.customer_tier,
            **_said(event),
        )
    ]
    if event.status != episode.status:
        asked = contract.StatusChangeRequested(ticket_id=event.ticket_id, status=event.status, actor=SOURCE)
        episode = msgspec.structs.replace(episode, updated_at=now)
        facts.append(moved(state, episode, received, policy, asked, "reported", answers=False))
    for fact in facts:
        state = evolve(state, fact) or state
    changed = state.episode(event.ticket_id)
    if policy.sla is None or changed is None:
        return facts
    return [*facts, *after(state, changed, received, policy.sla, _why(event, sla), notify=event.notify)]


def _why(event: contract.TicketReported, before: Sla) -> Why:
    if event.priority != before.priority:
        return "priority"
    return "tier" if event.customer_tier != before.customer_tier else "status"
