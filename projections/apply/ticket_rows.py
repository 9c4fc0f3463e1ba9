"""The bulk statements of the ticket tables, and the reading of rows before they change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

import orjson

from tocsin.events import sla
from tocsin.projections.apply.ticket_alerts import CLOCK_COLUMNS, NotificationKey, Results, clock_of
from tocsin.projections.apply.ticket_known import ClockKey
from tocsin.projections.apply.ticket_service import SERVICE_COLUMNS
from tocsin.projections.projection import Key
from tocsin.projections.tables import (
    counters,
    document,
    sla_clocks,
    ticket_counts,
    ticket_history,
    ticket_occurrences,
    ticket_search,
    tickets,
)
from tocsin.projections.tables.metadata import Instant
from tocsin.projections.tables.ticket_search import SEARCHED_CHARACTERS
from tocsin.projections.writes import Write, append, columns_of, insert

OPENED_COLUMNS: Final = tuple(columns_of(tickets))
_KEY: Final = ("workspace", "ticket_id")
_REPLACED: Final = ", ".join(f"{name} = excluded.{name}" for name in OPENED_COLUMNS if name not in _KEY)

# A ticket that was not there has no rows anywhere, and whoever moves the position of its partition is alone with it.
NEW: Final = append(tickets)
NEW_HISTORY: Final = append(ticket_history)
NEW_OCCURRENCES: Final = append(ticket_occurrences)
NEW_SEARCH: Final = append(ticket_search)

# Opened although it was there: decisions whose state was lost open it anew, and it begins again.
OPENED: Final = insert(
    tickets,
    f"(workspace, ticket_id) DO UPDATE SET {_REPLACED} WHERE tickets.version <= excluded.version",
)

# A fact carries what changed. Columns that are never null stay when they come as null; those that may be null go
# with one that is not: resolved_at and reopen_until with status, the context with message.
CHANGED: Final = Write(
    "update tickets",
    columns_of(
        tickets,
        *_KEY,
        *("status", "resolved_at", "reopen_until", "hidden"),
        *("occurrences", "deliveries", "last_seen_at", "updated_at"),
        *("message", "severity", "source", "step", "run_url", "context", "context_digest"),
        *("version", "version_facts"),
    ),
    """
    UPDATE tickets AS old SET
        status = coalesce(changed.status, old.status),
        resolved_at = CASE WHEN changed.status IS NULL THEN old.resolved_at ELSE changed.resolved_at END,
        reopen_until = CASE WHEN changed.status IS NULL THEN old.reopen_until ELSE changed.reopen_until END,
        hidden = coalesce(changed.hidden, old.hidden),
        occurrences = coalesce(changed.occurrences, old.occurrences),
        deliveries = coalesce(changed.deliveries, old.deliveries),
        last_seen_at = coalesce(changed.last_seen_at, old.last_seen_at),
        updated_at = greatest(old.updated_at, changed.updated_at),
        message = coalesce(changed.message, old.message),
        severity = coalesce(changed.severity, old.severity),
        source = coalesce(changed.source, old.source),
        step = coalesce(changed.step, old.step),
        run_url = coalesce(changed.run_url, old.run_url),
        context = CASE WHEN changed.message IS NULL THEN old.context ELSE changed.context END,
        context_digest = CASE WHEN changed.message IS NULL THEN old.context_digest ELSE changed.context_digest END,
        version = changed.version,
        version_facts = changed.version_facts
    FROM {changed}
    WHERE old.workspace = changed.workspace AND old.ticket_id = changed.ticket_id AND old.version <= changed.version
    """,
)

# All of them at once, and only where a report, a clock or an escalation changed one.
SERVICE: Final = Write(
    "update service of tickets",
    columns_of(tickets, *_KEY, *SERVICE_COLUMNS, "version"),
    f"""
    UPDATE tickets AS old SET {", ".join(f"{name} = changed.{name}" for name in SERVICE_COLUMNS)} FROM {{changed}}
    WHERE old.workspace = changed.workspace AND old.ticket_id = changed.ticket_id AND old.version <= changed.version
    """,  # noqa: S608 - constants
)

HISTORY: Final = insert(ticket_history, "DO NOTHING")

OCCURRENCES: Final = insert(
    ticket_occurrences,
    "(workspace, ticket_id, hour) DO UPDATE SET"
    " occurrences = ticket_occurrences.occurrences + excluded.occurrences,"
    " deliveries = ticket_occurrences.deliveries + excluded.deliveries",
)

SEARCH: Final = Write(
    "insert ticket_search",
    {**columns_of(ticket_search, *_KEY, "hidden"), "words": "TEXT"},
    """
    INSERT INTO ticket_search (workspace, ticket_id, hidden, words)
    SELECT workspace, ticket_id, hidden, array_to_tsvector(string_to_array(words, ' ')) FROM {changed}
    ON CONFLICT (workspace, ticket_id) DO UPDATE SET hidden = excluded.hidden, words = excluded.words
    """,
)

# A row at zero goes: whether it ever was above zero depends on where a batch ended.
COUNTS: Final = Write(
    "merge ticket_counts",
    columns_of(ticket_counts),
    f"""
    MERGE INTO ticket_counts AS old USING {{changed}}
    ON {" AND ".join(f"old.{column.name} = changed.{column.name}" for column in ticket_counts.primary_key)}
    WHEN MATCHED AND old.tickets + changed.tickets = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET tickets = old.tickets + changed.tickets
    WHEN NOT MATCHED THEN INSERT ({", ".join(columns_of(ticket_counts))})
        VALUES ({", ".join(f"changed.{name}" for name in columns_of(ticket_counts))})
    """,  # noqa: S608 - constants
)

COUNTERS: Final = insert(counters, "(name, labels, partition) DO UPDATE SET value = counters.value + excluded.value")

_BEFORE: Final = f"""
SELECT old.workspace, old.ticket_id, old.status, old.hidden, old.severity, old.source, old.workflow, old.identifier,
       left(old.message, {SEARCHED_CHARACTERS}) AS message, old.occurrences, old.deliveries,
       old.version, old.version_facts, old.priority, old.sla_state, old.escalation_level, old.customer_tier
  FROM unnest($1::text[], $2::text[]) AS wanted(workspace, ticket_id)
  JOIN tickets AS old ON old.workspace = wanted.workspace AND old.ticket_id = wanted.ticket_id
"""  # noqa: S608 - a constant


def _read(table: Any, *names: str) -> str:
    """Instants as facts have them: they can be compared with those, and written again."""
    return ", ".join(
        f"to_char(old.{name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS {name}"
        if table.columns[name].type is Instant
        else f"old.{name}"
        for name in names
    )


_SERVICE_BEFORE: Final = f"""
SELECT old.workspace, old.ticket_id, old.episode, {_read(tickets, *SERVICE_COLUMNS)}
  FROM unnest($1::text[], $2::text[]) AS wanted(workspace, ticket_id)
  JOIN tickets AS old ON old.workspace = wanted.workspace AND old.ticket_id = wanted.ticket_id
"""  # noqa: S608

_CLOCKS_BEFORE: Final = f"""
SELECT {_read(sla_clocks, *CLOCK_COLUMNS)}
  FROM unnest($1::text[], $2::text[]) AS wanted(workspace, ticket_id)
  JOIN sla_clocks AS old ON old.workspace = wanted.workspace AND old.ticket_id = wanted.ticket_id
"""  # noqa: S608

_RESULTS_BEFORE: Final = """
SELECT old.workspace, old.notification_id, old.result
  FROM unnest($1::text[], $2::text[]) AS wanted(workspace, notification_id)
  JOIN ticket_notifications AS old
    ON old.workspace = wanted.workspace AND old.notification_id = wanted.notification_id
"""

_ROWS: Final = """
SELECT old.* FROM unnest($1::text[], $2::text[]) AS wanted(workspace, ticket_id)
  JOIN tickets AS old ON old.workspace = wanted.workspace AND old.ticket_id = wanted.ticket_id
"""


class Before(NamedTuple):
    """What is stored of the tickets of a batch.

    rows: of those in service (reports, clocks, escalation) with SERVICE_COLUMNS, of the others without.
    clocks: all of those in service. results: of the messages whose end is told of.
    """

    rows: Mapping[Key, Mapping[str, Any]]
    clocks: Mapping[Key, Mapping[ClockKey, sla.Clock]]
    results: Results


async def rows_before(
    connection: Any, keys: Collection[Key], in_service: Collection[Key], notifications: Collection[NotificationKey]
) -> Before:
    """in_service: those of the keys that facts about reports, clocks or escalation are about."""
    rows: dict[Key, Mapping[str, Any]] = await _by_key(connection, _BEFORE, keys)
    clocks: dict[Key, dict[ClockKey, sla.Clock]] = {}
    if in_service := [key for key in in_service if key in rows]:
        for key, row in (await _by_key(connection, _SERVICE_BEFORE, in_service)).items():
            rows[key] = {**rows[key], **row}
        for row in await _fetch(connection, _CLOCKS_BEFORE, in_service):
            of_ticket = clocks.setdefault((row["workspace"], row["ticket_id"]), {})
            of_ticket[row["metric"], row["cycle"]] = clock_of(row)
    found = await _fetch(connection, _RESULTS_BEFORE, notifications) if notifications else ()
    return Before(rows, clocks, {(row["workspace"], row["notification_id"]): row["result"] for row in found})


async def _by_key(connection: Any, statement: str, keys: Collection[Key]) -> dict[Key, Mapping[str, Any]]:
    return {(row["workspace"], row["ticket_id"]): row for row in await _fetch(connection, statement, keys)}


async def _fetch(connection: Any, statement: str, keys: Collection[Key]) -> Any:
    return await connection.fetch(statement, [key[0] for key in keys], [key[1] for key in keys])


async def documents(connection: Any, keys: Collection[Key]) -> dict[Key, str]:
    """The tickets as clients see them, JSON; unknown ids are left out."""
    found = await _fetch(connection, _ROWS, keys)
    return {(row["workspace"], row["ticket_id"]): orjson.dumps(document(row)).decode() for row in found}
