"""Records that could not be projected: kept whole beside the reason, so that they can be looked at and replayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson
import structlog

from tocsin.projections.projection import Record
from tocsin.projections.tables import projection_errors
from tocsin.projections.writes import Write, columns_of, qualified

log = structlog.get_logger(__name__)

_COLUMNS: Final = columns_of(
    projection_errors, "projection", "topic", "partition", "offset", "reason", "record_key", "headers", "value"
)
_LISTED: Final = ", ".join(f'"{name}"' for name in _COLUMNS)
_INSERT: Final = Write(
    "insert projection_errors",
    _COLUMNS,
    f"INSERT INTO {qualified(projection_errors)} ({_LISTED}) SELECT {_LISTED} FROM {{changed}} ON CONFLICT DO NOTHING",  # noqa: S608
)


class Failed(NamedTuple):
    record: Record
    reason: str


async def store(connection: Any, projection: str, failed: Sequence[Failed]) -> None:
    """Keeps the records. Raises database errors."""
    for record, reason in failed:
        log.error(
            "a record cannot be projected",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reason,
        )
    await _INSERT.run(connection, [_row(projection, one) for one in failed])


def _row(projection: str, failed: Failed) -> tuple[Any, ...]:
    record = failed.record
    headers = [[name, None if value is None else _text(value)] for name, value in record.headers]
    return (
        projection,
        record.topic,
        record.partition,
        record.offset,
        failed.reason.replace("\x00", "\\0"),
        None if record.key is None else _text(record.key),
        orjson.dumps(headers).decode(),
        record.value,
    )


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace").replace("\x00", "\\0")
