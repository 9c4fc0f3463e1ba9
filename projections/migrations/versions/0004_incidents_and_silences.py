"""Read models of incidents and silences; alerts say how they were classified and why they are quiet.

Alerts from before show no classification until the read models are rebuilt.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ALERTS = """
ALTER TABLE read_model.alerts
    ADD COLUMN classification json NOT NULL DEFAULT '[]',
    ADD COLUMN grouping json,
    ADD COLUMN flapping boolean NOT NULL DEFAULT false,
    ADD COLUMN suppressed_by jsonb NOT NULL DEFAULT '[]';
CREATE TABLE read_model.alert_counts (
    workspace text NOT NULL,
    dimension text NOT NULL,
    value text NOT NULL,
    status text NOT NULL,
    severity text NOT NULL,
    partition integer NOT NULL,
    alerts bigint NOT NULL,
    CONSTRAINT pk_alert_counts PRIMARY KEY (workspace, dimension, value, status, severity, partition)
);
COMMENT ON COLUMN read_model.alert_counts.dimension IS ''''', or a column of alerts';
INSERT INTO read_model.alert_counts (workspace, dimension, value, status, severity, partition, alerts)
SELECT workspace, dimension, value, status, severity, 0, count(*)
  FROM read_model.alerts
 CROSS JOIN LATERAL (VALUES ('', ''), ('source', source), ('service', service), ('team', team),
                            ('environment', environment)) AS counted(dimension, value)
 GROUP BY workspace, dimension, value, status, severity;
COMMENT ON COLUMN read_model.alerts.classification IS 'which rule set which field, and why';
COMMENT ON COLUMN read_model.alerts.grouping IS 'the terms under which it joined an incident; null: under none';
COMMENT ON COLUMN read_model.alerts.suppressed_by IS 'silences that keep it quiet';
"""
_TABLES = """
CREATE TABLE read_model.incidents (
    workspace text NOT NULL,
    incident_id text NOT NULL,
    title text NOT NULL,
    status text NOT NULL,
    severity text NOT NULL,
    severity_rank smallint NOT NULL GENERATED ALWAYS AS (
        CASE severity WHEN 'critical' THEN 4 WHEN 'error' THEN 3 WHEN 'warning' THEN 2 ELSE 1 END) STORED,
    service text NOT NULL,
    team text NOT NULL,
    environment text NOT NULL,
    sources jsonb NOT NULL,
    rule text NOT NULL,
    "group" json NOT NULL,
    auto_resolve text NOT NULL,
    assignee text,
    acknowledged_at timestamptz,
    acknowledged_by text,
    alert_count bigint NOT NULL,
    active_alerts bigint NOT NULL,
    last_alert_at timestamptz NOT NULL,
    previous_incident_id text,
    split_from text,
    merged_into text,
    resolved_at timestamptz,
    reopen_until timestamptz,
    closed_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT pk_incidents PRIMARY KEY (workspace, incident_id)) WITH (fillfactor = 80);
CREATE INDEX ix_incidents_workspace_alert_count_incident_id
    ON read_model.incidents (workspace, alert_count, incident_id);
CREATE INDEX ix_incidents_workspace_created_at_incident_id
    ON read_model.incidents (workspace, created_at, incident_id) INCLUDE (status, severity_rank);
CREATE INDEX ix_incidents_workspace_last_alert_at_incident_id
    ON read_model.incidents (workspace, last_alert_at, incident_id);
CREATE INDEX ix_incidents_workspace_merged_into
    ON read_model.incidents (workspace, merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX ix_incidents_workspace_service_created_at_incident_id
    ON read_model.incidents (workspace, service, created_at, incident_id);
CREATE INDEX ix_incidents_workspace_severity_rank_incident_id
    ON read_model.incidents (workspace, severity_rank, incident_id);
CREATE INDEX ix_incidents_workspace_status_created_at_incident_id
    ON read_model.incidents (workspace, status, created_at, incident_id);
CREATE INDEX ix_incidents_workspace_updated_at_incident_id
    ON read_model.incidents (workspace, updated_at, incident_id);
COMMENT ON COLUMN read_model.incidents.sources IS 'of all alerts it ever had, sorted';
COMMENT ON COLUMN read_model.incidents.rule IS 'grouping rule that opened it';
COMMENT ON COLUMN read_model.incidents."group" IS 'the fields its alerts share';
COMMENT ON COLUMN read_model.incidents.alert_count IS 'distinct alert episodes it ever had';
COMMENT ON COLUMN read_model.incidents.active_alerts IS 'how many of its fingerprints fire';
COMMENT ON COLUMN read_model.incidents.last_alert_at IS 'the sender''s time';
COMMENT ON COLUMN read_model.incidents.version IS 'offset of the event that changed it last';
CREATE TABLE read_model.incident_actions (
    workspace text NOT NULL,
    incident_id text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    at timestamptz NOT NULL,
    action text NOT NULL,
    from_status text,
    status text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    details json NOT NULL,
    event_id text NOT NULL,
    cause json NOT NULL,
    CONSTRAINT pk_incident_actions PRIMARY KEY (workspace, incident_id, partition, "offset")
);
COMMENT ON COLUMN read_model.incident_actions.details IS 'what the action is about: assignee, text, other incident';
CREATE TABLE read_model.incident_alerts (
    workspace text NOT NULL,
    incident_id text NOT NULL,
    alert_id text NOT NULL,
    moved_to text,
    CONSTRAINT pk_incident_alerts PRIMARY KEY (workspace, incident_id, alert_id)
);
CREATE INDEX ix_incident_alerts_workspace_alert_id ON read_model.incident_alerts (workspace, alert_id);
COMMENT ON COLUMN read_model.incident_alerts.moved_to IS 'the incident it was split off to; then it is here no more';
CREATE TABLE read_model.silences (
    workspace text NOT NULL,
    silence_id text NOT NULL,
    matchers json NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    recurrence json,
    reason text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text,
    version bigint NOT NULL,
    CONSTRAINT pk_silences PRIMARY KEY (workspace, silence_id)
);
CREATE INDEX ix_silences_workspace_created_at_silence_id ON read_model.silences (workspace, created_at, silence_id);
COMMENT ON COLUMN read_model.silences.ended_at IS 'when it was ended by hand';
"""


def upgrade() -> None:
    for statement in (_ALERTS + _TABLES).split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in ("silences", "incident_alerts", "incident_actions", "incidents", "alert_counts"):
        op.execute(f"DROP TABLE read_model.{table}")
    op.execute(
        "ALTER TABLE read_model.alerts DROP COLUMN classification, DROP COLUMN grouping,"
        " DROP COLUMN flapping, DROP COLUMN suppressed_by"
    )
