"""Facts about silences become rows. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec
import orjson

from tocsin.events.alerts import SilenceCreated, SilenceEnded
from tocsin.projections.apply.facts import instant
from tocsin.projections.projection import Item, Key, Row
from tocsin.projections.tables import silence_document, silences
from tocsin.projections.writes import Write, columns_of, insert

FACTS: Final = (SilenceCreated, SilenceEnded)
_KEY: Final = ("workspace", "silence_id")
_COLUMNS: Final = tuple(columns_of(silences))
_REPLACED: Final = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEY)
CREATED: Final = insert(
    silences, f"(workspace, silence_id) DO UPDATE SET {_REPLACED} WHERE silences.version <= excluded.version"
)
ENDED: Final = Write(
    "end silences",
    columns_of(silences, *_KEY, "ended_at", "ended_by", "version"),
    """
    UPDATE silences AS old SET ended_at = changed.ended_at, ended_by = changed.ended_by, version = changed.version
    FROM {changed}
    WHERE old.workspace = changed.workspace AND old.silence_id = changed.silence_id AND old.version <= changed.version
    """,
)
_ROWS: Final = """
SELECT old.* FROM unnest($1::text[], $2::text[]) AS wanted(workspace, silence_id)
  JOIN silences AS old ON old.workspace = wanted.workspace AND old.silence_id = wanted.silence_id
"""
_encode: Final = msgspec.json.Encoder().encode


class Silences:
    """The silences of a batch, in the order of the log."""

    def __init__(self) -> None:
        self._created: dict[Key, dict[str, Any]] = {}
        self._ended: dict[Key, Row] = {}

    def add(self, item: Item) -> None:
        """Raises ValueError for a time that is none."""
        fact = item.body
        if isinstance(fact, SilenceCreated):
            self._created[item.workspace, fact.silence.silence_id] = _row(fact)
            return
        key = (item.workspace, fact.silence_id)
        ended = {"ended_at": instant(fact.at), "ended_by": fact.actor, "version": fact.version}
        if key in self._created:
            self._created[key] |= ended
        else:
            self._ended[key] = (*key, *ended.values())

    def rows(self) -> list[tuple[Write, list[Row]]]:
        created: list[Row] = [(*key, *(row.get(name) for name in _COLUMNS[2:])) for key, row in self._created.items()]
        return [(CREATED, created), (ENDED, list(self._ended.values()))]


def _row(fact: SilenceCreated) -> dict[str, Any]:
    silence = fact.silence
    return {
        "matchers": _encode(silence.matchers).decode(),
        "starts_at": instant(silence.starts_at),
        "ends_at": instant(silence.ends_at) if silence.ends_at else None,
        "recurrence": _encode(silence.recurrence).decode() if silence.recurrence else None,
        "reason": silence.reason,
        "created_by": silence.created_by,
        "created_at": instant(fact.at),
        "version": fact.version,
    }


async def documents(connection: Any, keys: Collection[Key]) -> dict[Key, str]:
    """The silences as clients see them, JSON; unknown ids are left out."""
    found = await connection.fetch(_ROWS, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["workspace"], row["silence_id"]): orjson.dumps(silence_document(row)).decode() for row in found}
