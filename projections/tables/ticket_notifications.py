"""The ledger of messages about tickets: asked for by an escalation, then delivered or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, Instant, metadata
from tocsin.projections.tables.tickets import instant

ticket_notifications: Final = Table(
    "ticket_notifications",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("notification_id", Text, primary_key=True),
    Column("ticket_id", Text, nullable=False),
    Column("delivery_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="slack or webhook"),
    Column("reason", Text, nullable=False, comment="of the escalation"),
    Column("level", Integer, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("offset", BigInteger, nullable=False, comment="of the fact that asked for it"),
    Column("result", Text, comment="null: not ended yet"),
    Column("attempts", Integer, nullable=False),
    Column("status", Integer, comment="of the last answer, if there was one"),
    Column("error", Text),
    Column("detail", Text),
    Column("finished_at", Instant),
    Index(None, "workspace", "ticket_id", "offset"),
    schema=READ_MODEL,
)
_PLAIN: Final = ("notification_id", "delivery_id", "channel", "kind", "reason", "level")


def notification_document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A message as clients see it, for ``orjson``; ``state``: ``requested`` until it ended, then the result."""
    return {
        **{name: row[name] for name in _PLAIN},
        "state": row["result"] or "requested",
        "requested_at": instant(row["requested_at"]),
        **{name: row[name] for name in ("attempts", "status", "error", "detail")},
        "finished_at": instant(row["finished_at"]),
    }
