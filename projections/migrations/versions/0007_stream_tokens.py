"""Single-use tokens for live events in a browser."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
CREATE TABLE tocsin.stream_tokens (
    digest bytea NOT NULL,
    workspace text NOT NULL,
    name text NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_stream_tokens PRIMARY KEY (digest)
)""")
    op.execute("COMMENT ON COLUMN tocsin.stream_tokens.digest IS 'SHA-256 of the token'")
    op.execute("CREATE INDEX ix_stream_tokens_expires_at ON tocsin.stream_tokens (expires_at)")


def downgrade() -> None:
    op.execute("DROP TABLE tocsin.stream_tokens")
