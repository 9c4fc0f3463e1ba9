"""Facts about tickets become row changes. Pure: everything stored that matters comes in as the rows before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tocsin.events import sla
from tocsin.events import tickets as contract
from tocsin.events.topics import facts_topic
from tocsin.events.vocabulary import UNRESOLVED
from tocsin.projections.apply import ticket_service
from tocsin.projections.apply.facts import decoder, instant
from tocsin.projections.apply.ticket_folding import Folding
from tocsin.projections.apply.ticket_known import Columns, Known
from tocsin.projections.apply.ticket_rows import Before, documents, rows_before
from tocsin.projections.projection import Changes, Item, Key, Projection


def key_of(item: Item) -> Key | None:
    """The ticket an item changes; None for facts that change none."""
    if type(item.body) in _COLUMNS:
        return item.workspace, item.body.ticket_id
    return None


async def read(connection: Any, items: Sequence[Item]) -> Before:
    keys: set[Key] = set()
    in_service: set[Key] = set()
    notifications = set()
    for item in items:
        if (key := key_of(item)) is not None:
            keys.add(key)
            if type(item.body) in ticket_service.COLUMNS:
                in_service.add(key)
        elif type(item.body) is sla.NotificationRecorded:
            notifications.add((item.workspace, item.body.notification_id))
    return await rows_before(connection, keys, in_service, notifications)


def apply(items: Sequence[Item], before: Before) -> Changes:
    """The rows after these facts, in their order. A fact about an unknown ticket is rejected, a repeat is nothing."""
    folding = Folding(before, _COLUMNS, _OPENING)
    for item in items:
        if type(item.body) in _COLUMNS:
            folding.add(item)
        else:
            folding.add_other(item)
    return folding.changes()


def subject(fact: Any) -> str:
    return str(getattr(fact, "ticket_id", "") or getattr(fact, "subject_id", "") or fact.entity)


# --- what each fact changes, besides what its ``latest`` occurrence says ---------------------------------------------


def _opened(fact: contract.TicketOpened, _ticket: Known) -> Columns:
    at, first_seen_at = instant(fact.at), instant(fact.first_seen_at)
    return {
        "episode": fact.episode,
        "previous_ticket_id": fact.previous_ticket_id or None,
        "workflow": fact.workflow,
        "identifier": fact.identifier,
        "identity_reason": fact.identity_reason,
        "status": fact.status,
        "hidden": False,
        "occurrences": fact.occurrences,
        "deliveries": fact.deliveries,
        "first_seen_at": first_seen_at,
        "last_seen_at": first_seen_at,
        "created_at": at,
        "updated_at": at,
        "resolved_at": None,
        "reopen_until": None,
        **ticket_service.NO_SERVICE,
        **ticket_service.begun(fact),
        "priority": fact.priority,
    }


def _counted(fact: contract.OccurrencesCounted, _ticket: Known) -> Columns:
    return {
        "occurrences": fact.occurrences,
        "deliveries": fact.deliveries,
        "last_seen_at": instant(fact.last_seen_at),
        "updated_at": instant(fact.at),
    }


def _reopened(fact: contract.TicketReopened, _ticket: Known) -> Columns:
    return {
        "status": fact.status,
        "resolved_at": None,
        "reopen_until": None,
        "hidden": False,
        "occurrences": fact.occurrences,
        "deliveries": fact.deliveries,
        "last_seen_at": instant(fact.last_seen_at),
        "updated_at": instant(fact.at),
    }


def _status_changed(fact: contract.StatusChanged, ticket: Known) -> Columns:
    return {
        "status": fact.status,
        "resolved_at": instant(fact.resolved_at) if fact.resolved_at else None,
        "reopen_until": instant(fact.reopen_until) if fact.reopen_until else None,
        # a re-open unhides
        "hidden": ticket.get("hidden") and fact.status not in UNRESOLVED,
        "updated_at": instant(fact.at),
    }


def _hidden(fact: contract.TicketHidden, _ticket: Known) -> Columns:
    return {"hidden": True, "updated_at": instant(fact.at)}


def _window_ended(_fact: contract.ReopenWindowEnded, _ticket: Known) -> Columns:
    """Only the version moves: nobody touched the ticket, and ``reopen_until`` has said it all along."""
    return {}


_COLUMNS: Final[Mapping[type[Any], Callable[[Any, Known], Columns]]] = {
    contract.TicketOpened: _opened,
    contract.OccurrencesCounted: _counted,
    contract.TicketReopened: _reopened,
    contract.StatusChanged: _status_changed,
    contract.TicketHidden: _hidden,
    contract.ReopenWindowEnded: _window_ended,
    **ticket_service.COLUMNS,
}
_OPENING: Final = frozenset({contract.TicketOpened, contract.TicketRegistered})

TICKETS: Final = Projection(
    contract.DOMAIN,
    facts_topic(contract.DOMAIN),
    decoder(contract.FACTS),
    read,
    apply,
    subject,
    documents,
)
