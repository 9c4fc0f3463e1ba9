"""The first schema: read models of tickets, positions, counters; outcomes, API keys, projection errors."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MECHANICS = """
CREATE SCHEMA IF NOT EXISTS read_model;
CREATE TABLE read_model.projection_offsets (
    projection text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    CONSTRAINT pk_projection_offsets PRIMARY KEY (projection, topic, partition)
);
CREATE TABLE read_model.payloads (
    digest text NOT NULL,
    body json NOT NULL,
    CONSTRAINT pk_payloads PRIMARY KEY (digest)
);
CREATE TABLE read_model.counters (
    name text NOT NULL,
    labels jsonb NOT NULL,
    partition integer NOT NULL,
    value bigint NOT NULL,
    CONSTRAINT pk_counters PRIMARY KEY (name, labels, partition)
);
COMMENT ON COLUMN read_model.payloads.digest IS 'SHA-256, hex';
"""

_TICKETS = """
CREATE TABLE read_model.tickets (
    workspace text NOT NULL,
    ticket_id text NOT NULL,
    episode integer NOT NULL,
    previous_ticket_id text,
    workflow text NOT NULL,
    identifier text NOT NULL,
    identity_reason text NOT NULL,
    status text NOT NULL,
    hidden boolean NOT NULL DEFAULT false,
    severity text NOT NULL,
    severity_rank smallint NOT NULL GENERATED ALWAYS AS (
        CASE severity WHEN 'critical' THEN 4 WHEN 'error' THEN 3 WHEN 'warning' THEN 2 ELSE 1 END) STORED,
    source text NOT NULL,
    step text NOT NULL,
    message text NOT NULL,
    run_url text NOT NULL,
    context json,
    context_digest text,
    occurrences bigint NOT NULL,
    deliveries bigint NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_second timestamptz NOT NULL GENERATED ALWAYS AS (
        date_bin('1 second', updated_at, '2000-01-01 00:00:00+00')) STORED,
    resolved_at timestamptz,
    reopen_until timestamptz,
    version bigint NOT NULL,
    version_facts smallint NOT NULL,
    CONSTRAINT pk_tickets PRIMARY KEY (workspace, ticket_id)
) WITH (fillfactor = 80);
CREATE INDEX ix_tickets_workspace_created_at_ticket_id
    ON read_model.tickets (workspace, created_at, ticket_id) INCLUDE (hidden, status, severity_rank);
CREATE INDEX ix_tickets_workspace_updated_second
    ON read_model.tickets (workspace, updated_second) INCLUDE (hidden);
CREATE INDEX ix_tickets_workspace_severity_rank_ticket_id
    ON read_model.tickets (workspace, severity_rank, ticket_id);
CREATE INDEX ix_tickets_workspace_status_created_at_ticket_id
    ON read_model.tickets (workspace, status, created_at, ticket_id) INCLUDE (hidden, severity_rank);
CREATE INDEX ix_tickets_workspace_workflow_created_at_ticket_id
    ON read_model.tickets (workspace, workflow, created_at, ticket_id) INCLUDE (hidden, status);
CREATE INDEX ix_tickets_workspace_source_created_at_ticket_id
    ON read_model.tickets (workspace, source, created_at, ticket_id) INCLUDE (hidden, status);
CREATE INDEX ix_tickets_workspace_identifier
    ON read_model.tickets (workspace, identifier);
COMMENT ON COLUMN read_model.tickets.context IS
    'null also when over 4 KiB: then context_digest names the payload';
COMMENT ON COLUMN read_model.tickets.version IS 'offset of the event that changed it last';
COMMENT ON COLUMN read_model.tickets.version_facts IS 'bits of the facts applied at this version';
"""

_BESIDE_TICKETS = """
CREATE TABLE read_model.ticket_history (
    workspace text NOT NULL,
    ticket_id text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    from_status text,
    status text,
    actor text,
    reason text,
    cause json NOT NULL,
    CONSTRAINT pk_ticket_history PRIMARY KEY (workspace, ticket_id, partition, "offset")
);
COMMENT ON COLUMN read_model.ticket_history.kind IS 'name of the fact';
CREATE TABLE read_model.ticket_occurrences (
    workspace text NOT NULL,
    ticket_id text NOT NULL,
    hour timestamptz NOT NULL,
    occurrences bigint NOT NULL,
    deliveries bigint NOT NULL,
    CONSTRAINT pk_ticket_occurrences PRIMARY KEY (workspace, ticket_id, hour)
);
CREATE TABLE read_model.ticket_search (
    workspace text NOT NULL,
    ticket_id text NOT NULL,
    hidden boolean NOT NULL,
    words tsvector NOT NULL,
    CONSTRAINT pk_ticket_search PRIMARY KEY (workspace, ticket_id)
);
CREATE INDEX ix_ticket_search_words ON read_model.ticket_search USING gin (words);
CREATE TABLE read_model.ticket_counts (
    workspace text NOT NULL,
    dimension text NOT NULL,
    value text NOT NULL,
    status text NOT NULL,
    hidden boolean NOT NULL,
    severity text NOT NULL,
    partition integer NOT NULL,
    tickets bigint NOT NULL,
    CONSTRAINT pk_ticket_counts
        PRIMARY KEY (workspace, dimension, value, status, hidden, severity, partition)
);
COMMENT ON COLUMN read_model.ticket_counts.dimension IS $$'', 'workflow' or 'source'$$;
"""

_ADMINISTRATION = """
CREATE TABLE tocsin.outcomes (
    workspace text NOT NULL,
    event_id text NOT NULL,
    domain text NOT NULL,
    fact_type text NOT NULL,
    subject_id text NOT NULL,
    request_digest text NOT NULL,
    fact json NOT NULL,
    document json,
    decided_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_outcomes PRIMARY KEY (workspace, event_id)
);
CREATE INDEX ix_outcomes_decided_at ON tocsin.outcomes (decided_at);
CREATE TABLE tocsin.api_keys (
    prefix text NOT NULL,
    workspace text NOT NULL,
    name text NOT NULL,
    digest bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT pk_api_keys PRIMARY KEY (prefix)
);
CREATE TABLE tocsin.projection_errors (
    projection text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    record_key text,
    headers json NOT NULL,
    value bytea,
    CONSTRAINT pk_projection_errors PRIMARY KEY (projection, topic, partition, "offset")
);
"""


def upgrade() -> None:
    for statements in (_MECHANICS, _TICKETS, _BESIDE_TICKETS, _ADMINISTRATION):
        for statement in statements.split(";\n"):
            if statement.strip():
                op.execute(statement)


def downgrade() -> None:
    op.execute("DROP SCHEMA read_model CASCADE")
    for table in ("projection_errors", "api_keys", "outcomes"):
        op.execute(f"DROP TABLE tocsin.{table}")
