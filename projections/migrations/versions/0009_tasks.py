"""Read models of tasks: what each is, and what its polls found; keys by which SigV4 requests are signed."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE read_model.tasks (
    workspace text NOT NULL,
    task_id text NOT NULL,
    status text NOT NULL,
    issued boolean NOT NULL,
    external_job_id text NOT NULL,
    metadata json,
    owner text NOT NULL,
    poll json,
    on_settled_url text,
    execution_url text,
    heartbeat_ms bigint NOT NULL,
    deadline timestamptz,
    deadline_order timestamptz NOT NULL GENERATED ALWAYS AS (
        coalesce(deadline, '9999-12-31 00:00:00+00'::timestamptz)) STORED,
    heartbeat_due timestamptz,
    last_heartbeat_at timestamptz,
    next_poll timestamptz,
    attempts integer NOT NULL,
    last_poll_at timestamptz,
    last_poll_verdict text,
    external_status text,
    outcome text,
    result json,
    result_digest text,
    error text,
    cause text,
    settled_by text,
    settled_how text,
    settled_at timestamptz,
    confirmation text,
    confirmation_code text,
    confirmation_detail text,
    confirmation_attempts integer,
    confirmed_at timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT pk_tasks PRIMARY KEY (workspace, task_id)) WITH (fillfactor = 80);
CREATE INDEX ix_tasks_workspace_updated_at_task_id
    ON read_model.tasks (workspace, updated_at, task_id) INCLUDE (status);
CREATE INDEX ix_tasks_waiting
    ON read_model.tasks (workspace, created_at, deadline) WHERE settled_at IS NULL;
CREATE INDEX ix_tasks_workspace_created_at_task_id
    ON read_model.tasks (workspace, created_at, task_id) INCLUDE (status);
CREATE INDEX ix_tasks_workspace_deadline_order_task_id
    ON read_model.tasks (workspace, deadline_order, task_id) INCLUDE (status);
COMMENT ON COLUMN read_model.tasks.issued IS 'tocsin made the token; else it is one of AWS';
COMMENT ON COLUMN read_model.tasks.poll IS 'how the outside job is asked; values of secret headers are encrypted';
COMMENT ON COLUMN read_model.tasks.heartbeat_ms IS '0: no heartbeat clock';
COMMENT ON COLUMN read_model.tasks.last_heartbeat_at IS 'the last sign of life, also one that a poll found';
COMMENT ON COLUMN read_model.tasks.next_poll IS 'null also while one is under way';
COMMENT ON COLUMN read_model.tasks.attempts IS 'polls that ended';
COMMENT ON COLUMN read_model.tasks.external_status IS 'the outside job''s own word';
COMMENT ON COLUMN read_model.tasks.outcome IS 'null while it waits';
COMMENT ON COLUMN read_model.tasks.result IS 'null also when over 4 KiB: then result_digest names it';
COMMENT ON COLUMN read_model.tasks.settled_by IS 'actor';
COMMENT ON COLUMN read_model.tasks.settled_how IS 'the rule that decided';
COMMENT ON COLUMN read_model.tasks.confirmation IS 'whether AWS took it';
COMMENT ON COLUMN read_model.tasks.confirmation_code IS 'AWS''s error';
COMMENT ON COLUMN read_model.tasks.confirmed_at IS 'when the last word on it came';
COMMENT ON COLUMN read_model.tasks.version IS 'offset of the event that changed it last';
CREATE TABLE read_model.task_polls (
    workspace text NOT NULL,
    task_id text NOT NULL,
    poll integer NOT NULL,
    run_id text NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL,
    external_status text,
    http_status integer,
    error text,
    detail text,
    finished_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT pk_task_polls PRIMARY KEY (workspace, task_id, poll)
);
COMMENT ON COLUMN read_model.task_polls.verdict IS 'completed, failed, running, unreadable, oversize, error';
COMMENT ON COLUMN read_model.task_polls.reason IS 'the rule that decided';
COMMENT ON COLUMN read_model.task_polls.error IS 'class of what went wrong on the way';
CREATE TABLE tocsin.aws_keys (
    access_key_id text NOT NULL,
    workspace text NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    encrypted bytea NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT pk_aws_keys PRIMARY KEY (access_key_id)
);
COMMENT ON COLUMN tocsin.aws_keys.encrypted IS 'Fernet, by a key of TOCSIN_ENCRYPTION_KEYS';
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE tocsin.aws_keys")
    for table in ("task_polls", "tasks"):
        op.execute(f"DROP TABLE read_model.{table}")
