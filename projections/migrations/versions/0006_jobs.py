"""Read models of jobs: what each is, the specs it had, and what became of every slot."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE read_model.jobs (
    workspace text NOT NULL,
    job_id text NOT NULL,
    name text NOT NULL,
    status text NOT NULL,
    cron text,
    run_at timestamptz,
    timezone text NOT NULL,
    cron_format text,
    dst text NOT NULL,
    callback_url text NOT NULL,
    payload json,
    payload_digest text,
    headers json NOT NULL,
    max_attempts integer NOT NULL,
    catchup text NOT NULL,
    catchup_window bigint NOT NULL,
    catchup_on_resume boolean NOT NULL,
    overlap text NOT NULL,
    jitter_seconds integer NOT NULL,
    expected_status json NOT NULL,
    tags jsonb NOT NULL,
    resolve_on_success boolean NOT NULL,
    spec_version bigint NOT NULL,
    next_run timestamptz,
    next_run_order timestamptz NOT NULL GENERATED ALWAYS AS (
        coalesce(next_run, '9999-12-31 00:00:00+00'::timestamptz)) STORED,
    last_run_id text,
    last_slot timestamptz,
    last_result text,
    last_finished_at timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    version bigint NOT NULL,
    CONSTRAINT pk_jobs PRIMARY KEY (workspace, job_id)) WITH (fillfactor = 80);
CREATE INDEX ix_jobs_workspace_created_at_job_id
    ON read_model.jobs (workspace, created_at, job_id) INCLUDE (status);
CREATE INDEX ix_jobs_workspace_updated_at_job_id
    ON read_model.jobs (workspace, updated_at, job_id) INCLUDE (status);
CREATE INDEX ix_jobs_workspace_next_run_order_job_id
    ON read_model.jobs (workspace, next_run_order, job_id) INCLUDE (status);
COMMENT ON COLUMN read_model.jobs.cron IS 'null: it runs once';
COMMENT ON COLUMN read_model.jobs.payload IS 'null also when over 4 KiB: then payload_digest names it';
COMMENT ON COLUMN read_model.jobs.headers IS 'values of secret ones are encrypted';
COMMENT ON COLUMN read_model.jobs.catchup_window IS 'seconds';
COMMENT ON COLUMN read_model.jobs.last_run_id IS 'the run that began last';
COMMENT ON COLUMN read_model.jobs.last_result IS 'running, or the result of that run';
COMMENT ON COLUMN read_model.jobs.ended_at IS 'since when it neither runs nor is paused';
COMMENT ON COLUMN read_model.jobs.version IS 'offset of the event that changed it last';
CREATE TABLE read_model.job_specs (
    workspace text NOT NULL,
    job_id text NOT NULL,
    spec_version bigint NOT NULL,
    cron text,
    run_at timestamptz,
    timezone text NOT NULL,
    cron_format text,
    dst text NOT NULL,
    cursor timestamptz NOT NULL,
    CONSTRAINT pk_job_specs PRIMARY KEY (workspace, job_id, spec_version)
);
COMMENT ON COLUMN read_model.job_specs.cursor IS 'slots up to here are none of this spec';
CREATE TABLE read_model.job_slots (
    workspace text NOT NULL,
    job_id text NOT NULL,
    spec_version bigint NOT NULL,
    slot timestamptz NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL,
    run_id text,
    lateness_ms bigint,
    decided_at timestamptz NOT NULL,
    decisions bigint NOT NULL,
    more bigint NOT NULL,
    first timestamptz,
    CONSTRAINT pk_job_slots PRIMARY KEY (workspace, job_id, spec_version, slot)
);
CREATE INDEX ix_job_slots_workspace_job_id_slot_spec_version
    ON read_model.job_slots (workspace, job_id, slot, spec_version);
COMMENT ON COLUMN read_model.job_slots.reason IS 'the rule that decided';
COMMENT ON COLUMN read_model.job_slots.decisions IS 'how often it was decided; more than once is a fault';
COMMENT ON COLUMN read_model.job_slots.more IS 'slots before it that share its verdict and have no row';
COMMENT ON COLUMN read_model.job_slots.first IS 'the oldest of those';
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in ("job_slots", "job_specs", "jobs"):
        op.execute(f"DROP TABLE read_model.{table}")
