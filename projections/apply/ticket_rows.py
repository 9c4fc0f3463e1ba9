"""The bulk statements of the ticket tables, and the reading of rows before they change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson

from tocsin.projections.projection import Key
from tocsin.projections.tables import (
    counters,
    document,
    ticket_counts,
    ticket_history,
    ticket_occurrences,
    ticket_search,
    tickets,
)
from tocsin.projections.tables.ticket_search import SEARCHED_CHARACTERS
from tocsin.projections.writes import Write, columns_of, insert

OPENED_COLUMNS: Final = tuple(columns_of(tickets))
_KEY: Final = ("workspace", "ticket_id")
_REPLACED: Final = ", ".join(f"{name} = excluded.{name}" for name in OPENED_COLUMNS if name not in _KEY)

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
        updated_at = coalesce(changed.updated_at, old.updated_at),
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
    """
    MERGE INTO ticket_counts AS old USING {changed}
    ON  old.workspace = changed.workspace AND old.dimension = changed.dimension AND old.value = changed.value
    AND old.status = changed.status AND old.hidden = changed.hidden AND old.severity = changed.severity
    AND old.partition = changed.partition
    WHEN MATCHED AND old.tickets + changed.tickets = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET tickets = old.tickets + changed.tickets
    WHEN NOT MATCHED THEN INSERT (workspace, dimension, value, status, hidden, severity, partition, tickets)
        VALUES (changed.workspace, changed.dimension, changed.value, changed.status, changed.hidden,
                changed.severity, changed.partition, changed.tickets)
    """,
)

COUNTERS: Final = insert(counters, "(name, labels, partition) DO UPDATE SET value = counters.value + excluded.value")

_BEFORE: Final = f"""
SELECT old.workspace, old.ticket_id, old.status, old.hidden, old.severity, old.source, old.workflow, old.identifier,
       left(old.message, {SEARCHED_CHARACTERS}) AS message, old.occurrences, old.deliveries,
       old.version, old.version_facts
  FROM unnest($1::text[], $2::text[]) AS wanted(workspace, ticket_id)
  JOIN tickets AS old ON old.workspace = wanted.workspace AND old.ticket_id = wanted.ticket_id
"""  # noqa: S608 - a constant

_ROWS: Final = """
SELECT old.* FROM unnest($1::text[], $2::text[]) AS wanted(workspace, ticket_id)
  JOIN tickets AS old ON old.workspace = wanted.workspace AND old.ticket_id = wanted.ticket_id
"""


async def rows_before(connection: Any, keys: Collection[Key]) -> dict[Key, Mapping[str, Any]]:
    found = await connection.fetch(_BEFORE, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["workspace"], row["ticket_id"]): row for row in found}


async def documents(connection: Any, keys: Collection[Key]) -> dict[Key, str]:
    """The tickets as clients see them, JSON; unknown ids are left out."""
    found = await connection.fetch(_ROWS, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["workspace"], row["ticket_id"]): orjson.dumps(document(row)).decode() for row in found}
