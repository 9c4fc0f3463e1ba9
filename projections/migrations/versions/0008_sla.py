"""Read models of the SLA watchdog: reported tickets, clocks, alerts, notifications, policies."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# What rows have that were projected before: the priority of their severity, and no clocks.
_TICKETS = """
ALTER TABLE read_model.tickets
    ALTER COLUMN version_facts TYPE text USING concat_ws(' ',
        CASE WHEN version_facts & 1 > 0 THEN 'TicketOpened' END,
        CASE WHEN version_facts & 2 > 0 THEN 'OccurrencesCounted' END,
        CASE WHEN version_facts & 4 > 0 THEN 'TicketReopened' END,
        CASE WHEN version_facts & 8 > 0 THEN 'StatusChanged' END,
        CASE WHEN version_facts & 16 > 0 THEN 'TicketHidden' END,
        CASE WHEN version_facts & 32 > 0 THEN 'ReopenWindowEnded' END),
    ADD COLUMN priority text,
    ADD COLUMN customer_tier text NOT NULL DEFAULT 'default',
    ADD COLUMN title text NOT NULL DEFAULT '',
    ADD COLUMN url text NOT NULL DEFAULT '',
    ADD COLUMN assignee text NOT NULL DEFAULT '',
    ADD COLUMN requester text NOT NULL DEFAULT '',
    ADD COLUMN tags jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN source_updated_at timestamptz,
    ADD COLUMN escalation_level integer NOT NULL DEFAULT 0,
    ADD COLUMN sla_state text,
    ADD COLUMN next_due_at timestamptz,
    ADD COLUMN next_due_order timestamptz NOT NULL GENERATED ALWAYS AS (
        coalesce(next_due_at, '9999-12-31 00:00:00+00'::timestamptz)) STORED,
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN snoozed_until timestamptz;
UPDATE read_model.tickets SET priority =
    CASE severity WHEN 'critical' THEN 'critical' WHEN 'error' THEN 'high' WHEN 'warning' THEN 'medium' ELSE 'low' END;
ALTER TABLE read_model.tickets ALTER COLUMN priority SET NOT NULL;
CREATE INDEX ix_tickets_workspace_next_due_order_ticket_id
    ON read_model.tickets (workspace, next_due_order, ticket_id) INCLUDE (hidden, status);
CREATE INDEX ix_tickets_workspace_sla_state_next_due_order_ticket_id
    ON read_model.tickets (workspace, sla_state, next_due_order, ticket_id) INCLUDE (hidden, status)
    WHERE sla_state IS NOT NULL;
CREATE INDEX ix_tickets_workspace_escalation_level
    ON read_model.tickets (workspace, escalation_level) WHERE escalation_level > 0;
CREATE INDEX ix_tickets_workspace_customer_tier
    ON read_model.tickets (workspace, customer_tier) WHERE customer_tier <> 'default';
CREATE INDEX ix_tickets_workspace_assignee
    ON read_model.tickets (workspace, assignee) WHERE assignee <> '';
CREATE INDEX ix_tickets_tags ON read_model.tickets USING gin (tags) WHERE tags <> '[]'::jsonb;
COMMENT ON COLUMN read_model.tickets.version_facts IS 'names of the facts applied at this version';
COMMENT ON COLUMN read_model.tickets.source_updated_at IS 'updated_at of the last report that counted';
COMMENT ON COLUMN read_model.tickets.sla_state IS 'null: it has no clocks';
COMMENT ON COLUMN read_model.tickets.next_due_at IS
    'earliest due time of clocks in progress that is still to come';
INSERT INTO read_model.ticket_counts (workspace, dimension, value, status, hidden, severity, partition, tickets)
    SELECT workspace, added.dimension, added.value, status, hidden, severity, partition, tickets
      FROM read_model.ticket_counts
     CROSS JOIN LATERAL (VALUES ('sla_state', ''), ('priority', CASE severity WHEN 'critical' THEN 'critical'
           WHEN 'error' THEN 'high' WHEN 'warning' THEN 'medium' ELSE 'low' END)) AS added (dimension, value)
     WHERE ticket_counts.dimension = '';
COMMENT ON COLUMN read_model.ticket_counts.dimension IS ''''', or the column that is counted'
"""

_CLOCKS = """
CREATE TABLE read_model.sla_clocks (
    workspace text NOT NULL,
    ticket_id text NOT NULL,
    metric text NOT NULL,
    cycle integer NOT NULL,
    stage text NOT NULL,
    priority text NOT NULL,
    customer_tier text NOT NULL,
    workflow text NOT NULL,
    target_ms bigint NOT NULL,
    calendar text NOT NULL,
    calendar_version text,
    policy_version text NOT NULL,
    started_at timestamptz NOT NULL,
    elapsed_ms bigint NOT NULL,
    as_of timestamptz NOT NULL,
    due_at timestamptz,
    warned_percent integer NOT NULL,
    next_warning_percent integer,
    next_warning_at timestamptz,
    paused_at timestamptz,
    pause_reason text,
    paused_ms bigint NOT NULL,
    breached_at timestamptz,
    detected_at timestamptz,
    stopped_at timestamptz,
    result text,
    verdict_at timestamptz GENERATED ALWAYS AS (
        coalesce(breached_at, CASE stage WHEN 'completed' THEN stopped_at END)) STORED,
    version bigint NOT NULL,
    CONSTRAINT pk_sla_clocks PRIMARY KEY (workspace, ticket_id, metric, cycle)
) WITH (fillfactor = 80);
CREATE INDEX ix_sla_clocks_workspace_verdict_at ON read_model.sla_clocks (workspace, verdict_at)
    INCLUDE (metric, priority, customer_tier, workflow, breached_at) WHERE verdict_at IS NOT NULL;
CREATE INDEX ix_sla_clocks_workspace_stopped_at ON read_model.sla_clocks (workspace, stopped_at)
    WHERE stage = 'completed';
CREATE INDEX ix_sla_clocks_workspace_due_at ON read_model.sla_clocks (workspace, due_at)
    WHERE stage = 'in_progress' AND breached_at IS NULL;
COMMENT ON COLUMN read_model.sla_clocks.workflow IS 'of the ticket';
COMMENT ON COLUMN read_model.sla_clocks.calendar IS 'by its name in the policy';
COMMENT ON COLUMN read_model.sla_clocks.calendar_version IS 'null: of 24x7';
COMMENT ON COLUMN read_model.sla_clocks.elapsed_ms IS 'open time consumed until as_of';
COMMENT ON COLUMN read_model.sla_clocks.paused_ms IS 'of the pauses that ended';
COMMENT ON COLUMN read_model.sla_clocks.breached_at IS 'the due time that passed';
COMMENT ON COLUMN read_model.sla_clocks.version IS 'offset of the event that changed it last'
"""

_ALERTS = """
CREATE TABLE read_model.sla_alerts (
    workspace text NOT NULL,
    ticket_id text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    metric text NOT NULL,
    cycle integer NOT NULL,
    percent integer,
    level integer,
    from_level integer,
    step integer,
    loop integer,
    due_at timestamptz NOT NULL,
    detected_at timestamptz NOT NULL,
    lateness_ms bigint NOT NULL,
    late boolean NOT NULL,
    coalesced json NOT NULL,
    notifications json NOT NULL,
    details json NOT NULL,
    clock json,
    cause json NOT NULL,
    CONSTRAINT pk_sla_alerts PRIMARY KEY (workspace, ticket_id, partition, "offset")
);
COMMENT ON COLUMN read_model.sla_alerts.kind IS 'warning, breach or escalation';
COMMENT ON COLUMN read_model.sla_alerts.reason IS 'why an escalation happened, else the rule that decided';
COMMENT ON COLUMN read_model.sla_alerts.percent IS 'of a warning: the threshold';
COMMENT ON COLUMN read_model.sla_alerts.level IS 'the ticket''s escalation level with it';
COMMENT ON COLUMN read_model.sla_alerts.due_at IS 'when it was to happen';
COMMENT ON COLUMN read_model.sla_alerts.coalesced IS 'steps that were due as well and told nobody';
COMMENT ON COLUMN read_model.sla_alerts.notifications IS 'ids and channels of the messages';
COMMENT ON COLUMN read_model.sla_alerts.details IS 'what else the fact says';
COMMENT ON COLUMN read_model.sla_alerts.clock IS 'as it was then'
"""

_NOTIFICATIONS = """
CREATE TABLE read_model.ticket_notifications (
    workspace text NOT NULL,
    notification_id text NOT NULL,
    ticket_id text NOT NULL,
    delivery_id text NOT NULL,
    channel text NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    level integer NOT NULL,
    requested_at timestamptz NOT NULL,
    "offset" bigint NOT NULL,
    result text,
    attempts integer NOT NULL,
    status integer,
    error text,
    detail text,
    finished_at timestamptz,
    CONSTRAINT pk_ticket_notifications PRIMARY KEY (workspace, notification_id)
);
CREATE INDEX ix_ticket_notifications_workspace_ticket_id_offset
    ON read_model.ticket_notifications (workspace, ticket_id, "offset");
COMMENT ON COLUMN read_model.ticket_notifications.kind IS 'slack or webhook';
COMMENT ON COLUMN read_model.ticket_notifications.reason IS 'of the escalation';
COMMENT ON COLUMN read_model.ticket_notifications."offset" IS 'of the fact that asked for it';
COMMENT ON COLUMN read_model.ticket_notifications.result IS 'null: not ended yet';
COMMENT ON COLUMN read_model.ticket_notifications.status IS 'of the last answer, if there was one'
"""

_POLICIES = """
CREATE TABLE read_model.sla_policies (
    policy_version text NOT NULL,
    body json NOT NULL,
    CONSTRAINT pk_sla_policies PRIMARY KEY (policy_version)
);
CREATE TABLE read_model.sla_policy_activations (
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    policy_version text NOT NULL,
    applied_at timestamptz NOT NULL,
    CONSTRAINT pk_sla_policy_activations PRIMARY KEY (partition, "offset")
);
COMMENT ON COLUMN read_model.sla_policy_activations."offset" IS 'of the fact'
"""


def upgrade() -> None:
    for part in (_TICKETS, _CLOCKS, _ALERTS, _NOTIFICATIONS, _POLICIES):
        for statement in part.split(";\n"):
            if statement.strip():
                op.execute(statement)


def downgrade() -> None:
    """Drops what is told of SLAs; a rebuild puts the rest right."""
    for table in ("sla_policy_activations", "sla_policies", "ticket_notifications", "sla_alerts", "sla_clocks"):
        op.execute(f"DROP TABLE read_model.{table}")
    op.execute("DELETE FROM read_model.tickets WHERE episode = 0")
    op.execute("DELETE FROM read_model.ticket_counts WHERE dimension IN ('priority', 'sla_state')")
    columns = (
        *("priority", "customer_tier", "title", "url", "assignee", "requester", "tags", "source_updated_at"),
        *("escalation_level", "sla_state", "next_due_order", "next_due_at", "acknowledged_at", "snoozed_until"),
    )
    dropped = ", ".join(f"DROP COLUMN {name}" for name in columns)
    op.execute(f"ALTER TABLE read_model.tickets {dropped}")
    op.execute("ALTER TABLE read_model.tickets ALTER COLUMN version_facts TYPE smallint USING 0")
