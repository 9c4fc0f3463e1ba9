"""The tables of the read models and of the administrative state; the one package queries may import from here."""

from __future__ import annotations

from tocsin.projections.tables.administration import (
    api_keys,
    aws_keys,
    outcomes,
    projection_errors,
    signing_secrets,
    sources_secrets,
    stream_tokens,
)
from tocsin.projections.tables.alert_counts import alert_counts
from tocsin.projections.tables.alerts import alert_document, alert_history, alerts
from tocsin.projections.tables.counters import counters
from tocsin.projections.tables.incidents import (
    action_document,
    incident_actions,
    incident_alerts,
    incident_document,
    incidents,
)
from tocsin.projections.tables.job_logs import LATENESS_BUCKETS_MS, job_log_document, job_logs
from tocsin.projections.tables.jobs import job_document, job_slots, job_specs, jobs, slot_document
from tocsin.projections.tables.metadata import ADMINISTRATION, READ_MODEL, metadata
from tocsin.projections.tables.offsets import projection_offsets
from tocsin.projections.tables.payloads import payloads
from tocsin.projections.tables.silences import silence_document, silences
from tocsin.projections.tables.sla_alerts import sla_alert_document, sla_alerts
from tocsin.projections.tables.sla_clocks import sla_clocks
from tocsin.projections.tables.sla_policies import sla_policies, sla_policy_activations
from tocsin.projections.tables.tasks import poll_document, task_document, task_polls, tasks
from tocsin.projections.tables.ticket_counts import ticket_counts
from tocsin.projections.tables.ticket_history import ticket_history
from tocsin.projections.tables.ticket_notifications import notification_document, ticket_notifications
from tocsin.projections.tables.ticket_occurrences import ticket_occurrences
from tocsin.projections.tables.ticket_search import ticket_search
from tocsin.projections.tables.tickets import document, tickets

__all__ = [
    "ADMINISTRATION",
    "LATENESS_BUCKETS_MS",
    "READ_MODEL",
    "action_document",
    "alert_counts",
    "alert_document",
    "alert_history",
    "alerts",
    "api_keys",
    "aws_keys",
    "counters",
    "document",
    "incident_actions",
    "incident_alerts",
    "incident_document",
    "incidents",
    "job_document",
    "job_log_document",
    "job_logs",
    "job_slots",
    "job_specs",
    "jobs",
    "metadata",
    "notification_document",
    "outcomes",
    "payloads",
    "poll_document",
    "projection_errors",
    "projection_offsets",
    "signing_secrets",
    "silence_document",
    "silences",
    "sla_alert_document",
    "sla_alerts",
    "sla_clocks",
    "sla_policies",
    "sla_policy_activations",
    "slot_document",
    "sources_secrets",
    "stream_tokens",
    "task_document",
    "task_polls",
    "tasks",
    "ticket_counts",
    "ticket_history",
    "ticket_notifications",
    "ticket_occurrences",
    "ticket_search",
    "tickets",
]
