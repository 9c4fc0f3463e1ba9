"""A million tickets with their words, counts and clocks, as the read models would have them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from bench.events import entity_of, identifier_of, workflow_of
from bench.row import Bench
from tocsin.events.vocabulary import UNRESOLVED

_COLUMNS: Final = (
    *("workspace", "ticket_id", "episode", "workflow", "identifier", "identity_reason", "status", "hidden", "severity"),
    *("source", "step", "message", "run_url", "context", "occurrences", "deliveries"),
    *("first_seen_at", "last_seen_at", "created_at", "updated_at", "version", "version_facts"),
    *("priority", "sla_state", "next_due_at", "escalation_level"),
)
STATUSES: Final = ("open", "open", "open", "in_progress", "pending", "done", "done", "done", "closed", "closed")
_SEVERITIES: Final = ("critical", "error", "error", "error", "warning", "info")
_PRIORITIES: Final = {"critical": "critical", "error": "high", "warning": "medium", "info": "low"}
_SLA_STATES: Final = ("on_track",) * 90 + ("breached",) * 6 + ("at_risk",) * 2 + ("paused",) * 2
_SOURCES: Final = ("api", "github", "airflow", "cron")
WORDS: Final = ("timeout", "refused", "rows", "staging", "disk", "quota", "schema", "login", "parse", "network")
BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
_A_COPY: Final = 20_000
_SEARCH: Final = """
INSERT INTO read_model.ticket_search (workspace, ticket_id, hidden, words)
SELECT workspace, ticket_id, hidden,
       array_to_tsvector(ARRAY(
           SELECT DISTINCT unnest(regexp_split_to_array(lower(workflow || '-' || message), '\\W+'))))
  FROM read_model.tickets
"""
_COUNTS: Final = """
INSERT INTO read_model.ticket_counts (workspace, dimension, value, status, hidden, severity, priority, sla_state,
                                      escalation_level, partition, tickets)
SELECT workspace, dimension, value, status, hidden, severity, priority, sla_state, escalation_level, 0, count(*)
  FROM read_model.tickets
 CROSS JOIN LATERAL (VALUES ('', ''), ('workflow', workflow), ('source', source),
                            ('customer_tier', customer_tier)) AS counted(dimension, value)
 GROUP BY workspace, dimension, value, status, hidden, severity, priority, sla_state, escalation_level
"""
# Two a ticket: every one was answered; the other clock ended when it was resolved, else it is due later.
_CLOCKS: Final = """
INSERT INTO read_model.sla_clocks (workspace, ticket_id, metric, cycle, stage, priority, customer_tier, workflow,
    target_ms, calendar, policy_version, started_at, elapsed_ms, as_of, due_at, warned_percent, paused_ms,
    breached_at, detected_at, stopped_at, result, version)
SELECT workspace, ticket_id, metric, 1, CASE WHEN ended THEN 'completed' ELSE 'in_progress' END,
       priority, customer_tier, workflow, days * 86400000, '24x7', 'bench', created_at, lasted, updated_at,
       CASE WHEN NOT ended THEN now() + days * interval '1 day' END, 0, 0, missed, missed,
       CASE WHEN ended THEN created_at + lasted * interval '1 ms' END, CASE WHEN ended THEN 'met' END, version
  FROM (SELECT tickets.*, metric, days,
               (version * 7919 % 86400000 * days * 1.1)::bigint AS lasted,
               metric = 'first_response' OR status IN ('done', 'closed') AS ended,
               CASE sla_state WHEN 'breached' THEN created_at + days * interval '1 day' END AS missed
          FROM read_model.tickets
         CROSS JOIN (VALUES ('first_response', 1), ('resolution', 4)) AS clocks(metric, days)) AS clocked
"""


async def fill(bench: Bench, dsn: str, tickets: int) -> None:
    """The read models as they would be after so many tickets."""
    connection = await asyncpg.connect(dsn)
    try:
        for at in range(0, tickets, _A_COPY):
            bench.say(f"{at:,} of {tickets:,} tickets")
            rows = _rows(range(at, min(tickets, at + _A_COPY)))
            await connection.copy_records_to_table("tickets", schema_name="read_model", columns=_COLUMNS, records=rows)
        bench.say("words, counts and clocks")
        for statement in (_SEARCH, _COUNTS, _CLOCKS):
            await connection.execute(statement)
        for table in ("tickets", "ticket_search", "ticket_counts", "sla_clocks"):
            await connection.execute(f"VACUUM ANALYZE read_model.{table}")
    finally:
        await connection.close()


def _rows(numbers: range) -> Iterator[tuple[Any, ...]]:
    """The same tickets at every run."""
    for number in numbers:
        chance = random.Random(number)
        created = BEGINNING + timedelta(seconds=7 * number)
        updated = created + timedelta(seconds=chance.randrange(100_000))
        occurrences = chance.randrange(1, 500)
        message = f"{chance.choice(WORDS)} after {chance.choice(WORDS)} in {identifier_of(number)}"
        status, severity = chance.choice(STATUSES), chance.choice(_SEVERITIES)
        hidden, source = chance.random() < 0.02, chance.choice(_SOURCES)
        # clocks of what is resolved have ended, most of them in time
        state = chance.choice(_SLA_STATES) if status in UNRESOLVED else chance.choice(("on_track", "breached"))
        due = created + timedelta(hours=chance.randrange(1, 500)) if state in ("on_track", "at_risk") else None
        yield (
            *(
                "default",
                f"{entity_of(number)}-1",
                1,
                workflow_of(number),
                identifier_of(number),
                "given by the sender",
            ),
            *(status, hidden, severity, source),
            *("", message, "", '{"rows":0}', occurrences, occurrences),
            *(created, updated, created, updated, number, "TicketOpened"),
            *(_PRIORITIES[severity], state, due if status in UNRESOLVED else None, int(state == "breached")),
        )
