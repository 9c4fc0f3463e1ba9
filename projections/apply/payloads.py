"""Bodies over 4 KiB, by digest. A body never changes; a record without a value (redaction) removes it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from tocsin.events.topics import PAYLOADS as TOPIC
from tocsin.projections.projection import Changes, Item, Projection, Record, Undecodable
from tocsin.projections.tables import payloads
from tocsin.projections.writes import Write, columns_of, insert

_INSERT: Final = insert(payloads, "(digest) DO UPDATE SET body = excluded.body")
_DELETE: Final = Write(
    "delete payloads",
    columns_of(payloads, "digest"),
    "DELETE FROM payloads AS body USING {changed} WHERE body.digest = changed.digest",
)


def decode(record: Record) -> Item:
    """Raises Undecodable when the key is not the digest of the value."""
    if record.key is None:
        raise Undecodable("a payload without a key")
    digest = record.key.decode(errors="backslashreplace")
    if record.value is None:
        return Item(record, "", "", (digest, None))
    if hashlib.sha256(record.value).hexdigest() != digest:
        raise Undecodable("the key is not the SHA-256 of the value")
    try:
        return Item(record, "", "", (digest, record.value.decode()))
    except UnicodeDecodeError as error:
        raise Undecodable(f"the value is not UTF-8: {error.reason}") from None


async def read(_connection: Any, _items: Sequence[Item]) -> None:
    """A payload depends on nothing that is stored."""


def apply(items: Sequence[Item], _before: None) -> Changes:
    latest: dict[str, str | None] = dict(item.body for item in items)
    return Changes(
        [
            (_INSERT, [(digest, body) for digest, body in latest.items() if body is not None]),
            (_DELETE, [(digest,) for digest, body in latest.items() if body is None]),
        ]
    )


PAYLOADS: Final = Projection("payloads", TOPIC, decode, read, apply, facts=False)
