"""Totals of combined filters from the kept counts; indexes for reports and for filters that few rows pass."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The partition whose facts told of a ticket is that of its history.
_COUNTED = """
  FROM (SELECT tickets.*, coalesce((SELECT partition FROM read_model.ticket_history AS told
                                     WHERE told.workspace = tickets.workspace AND told.ticket_id = tickets.ticket_id
                                     LIMIT 1), 0) AS partition
          FROM read_model.tickets) AS placed
 CROSS JOIN LATERAL (VALUES {dimensions}) AS counted (dimension, value)
"""

_COUNTS = f"""
DROP TABLE read_model.ticket_counts;
CREATE TABLE read_model.ticket_counts (
    workspace text NOT NULL,
    dimension text NOT NULL,
    value text NOT NULL,
    status text NOT NULL,
    hidden boolean NOT NULL,
    severity text NOT NULL,
    priority text NOT NULL,
    sla_state text NOT NULL,
    escalation_level integer NOT NULL,
    partition integer NOT NULL,
    tickets bigint NOT NULL,
    CONSTRAINT pk_ticket_counts PRIMARY KEY
        (workspace, dimension, value, status, hidden, severity, priority, sla_state, escalation_level, partition)
);
COMMENT ON COLUMN read_model.ticket_counts.dimension IS ''''', or the column that is counted';
COMMENT ON COLUMN read_model.ticket_counts.sla_state IS ''''': it has no clocks';
INSERT INTO read_model.ticket_counts
SELECT workspace, dimension, value, status, hidden, severity, priority, coalesce(sla_state, ''), escalation_level,
       partition, count(*)
{_COUNTED.format(dimensions="('', ''), ('workflow', workflow), ('source', source), ('customer_tier', customer_tier)")}
 GROUP BY workspace, dimension, value, status, hidden, severity, priority, sla_state, escalation_level, partition
"""

# What is included is read without visiting the rows: deep offsets, and how many tickets a workflow has of a source.
_TICKETS = """
DROP INDEX read_model.ix_tickets_workspace_workflow_created_at_ticket_id;
CREATE INDEX ix_tickets_workspace_workflow_created_at_ticket_id
    ON read_model.tickets (workspace, workflow, created_at, ticket_id) INCLUDE (hidden, status, source);
DROP INDEX read_model.ix_tickets_workspace_severity_rank_ticket_id;
CREATE INDEX ix_tickets_workspace_severity_rank_ticket_id
    ON read_model.tickets (workspace, severity_rank, ticket_id) INCLUDE (hidden, status)
"""

_ALERTS = """
CREATE INDEX ix_alerts_workspace_fingerprint ON read_model.alerts (workspace, fingerprint);
CREATE INDEX ix_alerts_suppressed ON read_model.alerts (workspace, created_at, alert_id)
    WHERE suppressed_by <> '[]'::jsonb
"""

_CLOCKS = """
ALTER TABLE read_model.sla_clocks
    ADD COLUMN business_ms bigint GENERATED ALWAYS AS (CASE stage WHEN 'completed' THEN elapsed_ms END) STORED,
    ADD COLUMN wall_ms bigint GENERATED ALWAYS AS (CASE stage WHEN 'completed' THEN
        round(extract(epoch FROM stopped_at - started_at) * 1000)::bigint END) STORED;
DROP INDEX read_model.ix_sla_clocks_workspace_stopped_at;
CREATE INDEX ix_sla_clocks_workspace_metric_stopped_at ON read_model.sla_clocks (workspace, metric, stopped_at)
    INCLUDE (priority, customer_tier, workflow, business_ms, wall_ms) WHERE stage = 'completed'
"""

_COUNTS_BEFORE = f"""
DROP TABLE read_model.ticket_counts;
CREATE TABLE read_model.ticket_counts (
    workspace text NOT NULL,
    dimension text NOT NULL,
    value text NOT NULL,
    status text NOT NULL,
    hidden boolean NOT NULL,
    severity text NOT NULL,
    partition integer NOT NULL,
    tickets bigint NOT NULL,
    CONSTRAINT pk_ticket_counts PRIMARY KEY (workspace, dimension, value, status, hidden, severity, partition)
);
COMMENT ON COLUMN read_model.ticket_counts.dimension IS ''''', or the column that is counted';
INSERT INTO read_model.ticket_counts
SELECT workspace, dimension, value, status, hidden, severity, partition, count(*)
{
    _COUNTED.format(
        dimensions="('', ''), ('workflow', workflow), ('source', source), ('priority', priority),"
        " ('sla_state', coalesce(sla_state, ''))"
    )
}
 GROUP BY workspace, dimension, value, status, hidden, severity, partition
"""

_TICKETS_BEFORE = """
DROP INDEX read_model.ix_tickets_workspace_workflow_created_at_ticket_id;
CREATE INDEX ix_tickets_workspace_workflow_created_at_ticket_id
    ON read_model.tickets (workspace, workflow, created_at, ticket_id) INCLUDE (hidden, status);
DROP INDEX read_model.ix_tickets_workspace_severity_rank_ticket_id;
CREATE INDEX ix_tickets_workspace_severity_rank_ticket_id
    ON read_model.tickets (workspace, severity_rank, ticket_id)
"""

_ALERTS_BEFORE = """
DROP INDEX read_model.ix_alerts_workspace_fingerprint;
DROP INDEX read_model.ix_alerts_suppressed
"""

_CLOCKS_BEFORE = """
DROP INDEX read_model.ix_sla_clocks_workspace_metric_stopped_at;
CREATE INDEX ix_sla_clocks_workspace_stopped_at ON read_model.sla_clocks (workspace, stopped_at)
    WHERE stage = 'completed';
ALTER TABLE read_model.sla_clocks DROP COLUMN business_ms, DROP COLUMN wall_ms
"""


def upgrade() -> None:
    """Reads every ticket once and writes every clock anew: about a minute for a million tickets."""
    _execute(_COUNTS, _TICKETS, _ALERTS, _CLOCKS)


def downgrade() -> None:
    _execute(_COUNTS_BEFORE, _TICKETS_BEFORE, _ALERTS_BEFORE, _CLOCKS_BEFORE)


def _execute(*parts: str) -> None:
    for part in parts:
        for statement in part.split(";\n"):
            op.execute(statement)
