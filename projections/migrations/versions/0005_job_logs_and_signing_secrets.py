"""Attempts of jobs, one row each; secrets that sign webhooks."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE read_model.job_logs (
    workspace text NOT NULL,
    delivery_id text NOT NULL,
    attempt integer NOT NULL,
    job_id text NOT NULL,
    run_id text NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    status integer,
    error text,
    detail text,
    body text NOT NULL,
    body_cut boolean NOT NULL,
    scheduled_for timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms bigint NOT NULL,
    lateness_ms bigint NOT NULL,
    address text,
    next_attempt_at timestamptz,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    CONSTRAINT pk_job_logs PRIMARY KEY (workspace, delivery_id, attempt)
);
CREATE INDEX ix_job_logs_workspace_job_id_started_at_run_id_attempt
    ON read_model.job_logs (workspace, job_id, started_at, run_id, attempt);
COMMENT ON COLUMN read_model.job_logs.outcome IS 'succeeded, retry, failed, gone';
COMMENT ON COLUMN read_model.job_logs.reason IS 'the rule that decided the outcome';
COMMENT ON COLUMN read_model.job_logs.status IS 'of the answer, if there was one';
COMMENT ON COLUMN read_model.job_logs.error IS 'class of what went wrong on the way';
COMMENT ON COLUMN read_model.job_logs.body IS 'first 16 KiB of the answer';
COMMENT ON COLUMN read_model.job_logs.address IS 'the one that was dialled';
COMMENT ON COLUMN read_model.job_logs."offset" IS 'of the fact';
CREATE TABLE tocsin.signing_secrets (
    secret_id text NOT NULL,
    workspace text NOT NULL,
    encrypted bytea NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT pk_signing_secrets PRIMARY KEY (secret_id)
);
COMMENT ON COLUMN tocsin.signing_secrets.encrypted IS 'Fernet, by a key of TOCSIN_ENCRYPTION_KEYS';
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE tocsin.signing_secrets")
    op.execute("DROP TABLE read_model.job_logs")
