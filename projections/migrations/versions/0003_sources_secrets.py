"""Secrets of webhook sources that belong to a workspace; administrative state."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CREATE TABLE tocsin.sources_secrets (
    secret_id text NOT NULL,
    workspace text NOT NULL,
    source text NOT NULL,
    encrypted bytea NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT pk_sources_secrets PRIMARY KEY (secret_id)
)
"""
    )
    op.execute("COMMENT ON COLUMN tocsin.sources_secrets.encrypted IS 'Fernet, by a key of TOCSIN_ENCRYPTION_KEYS'")


def downgrade() -> None:
    op.execute("DROP TABLE tocsin.sources_secrets")
