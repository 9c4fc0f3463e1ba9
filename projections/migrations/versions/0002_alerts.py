"""Read models of alerts."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ALERTS = """
CREATE TABLE read_model.alerts (
    workspace text NOT NULL,
    alert_id text NOT NULL,
    episode integer NOT NULL,
    previous_alert_id text,
    source text NOT NULL,
    fingerprint text NOT NULL,
    fingerprint_rule text NOT NULL,
    fingerprint_fields json NOT NULL,
    sender_episode text NOT NULL,
    status text NOT NULL,
    severity text NOT NULL,
    severity_rank smallint NOT NULL GENERATED ALWAYS AS (
        CASE severity WHEN 'critical' THEN 4 WHEN 'error' THEN 3 WHEN 'warning' THEN 2 ELSE 1 END) STORED,
    service text NOT NULL,
    team text NOT NULL,
    environment text NOT NULL,
    title text NOT NULL,
    message text NOT NULL,
    tags json NOT NULL,
    url text NOT NULL,
    context json,
    context_digest text,
    verified_by text NOT NULL,
    occurrences bigint NOT NULL,
    deliveries bigint NOT NULL,
    started_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    resolved_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT pk_alerts PRIMARY KEY (workspace, alert_id)
) WITH (fillfactor = 80);
CREATE INDEX ix_alerts_workspace_created_at_alert_id
    ON read_model.alerts (workspace, created_at, alert_id) INCLUDE (status, severity_rank);
CREATE INDEX ix_alerts_workspace_updated_at_alert_id ON read_model.alerts (workspace, updated_at, alert_id);
CREATE INDEX ix_alerts_workspace_severity_rank_alert_id ON read_model.alerts (workspace, severity_rank, alert_id);
CREATE INDEX ix_alerts_workspace_source_created_at_alert_id
    ON read_model.alerts (workspace, source, created_at, alert_id);
CREATE INDEX ix_alerts_workspace_service_created_at_alert_id
    ON read_model.alerts (workspace, service, created_at, alert_id);
CREATE INDEX ix_alerts_workspace_environment_created_at_alert_id
    ON read_model.alerts (workspace, environment, created_at, alert_id);
COMMENT ON COLUMN read_model.alerts.context IS
    'null also when over 4 KiB: then context_digest names the payload';
COMMENT ON COLUMN read_model.alerts.started_at IS 'the sender''s time';
COMMENT ON COLUMN read_model.alerts.last_seen_at IS 'the sender''s time';
COMMENT ON COLUMN read_model.alerts.resolved_at IS 'the sender''s time';
COMMENT ON COLUMN read_model.alerts.version IS 'offset of the event that changed it last';
CREATE TABLE read_model.alert_history (
    workspace text NOT NULL,
    alert_id text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    cause json NOT NULL,
    CONSTRAINT pk_alert_history PRIMARY KEY (workspace, alert_id, partition, "offset")
);
COMMENT ON COLUMN read_model.alert_history.kind IS 'name of the fact';
"""


def upgrade() -> None:
    for statement in _ALERTS.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE read_model.alert_history")
    op.execute("DROP TABLE read_model.alerts")
