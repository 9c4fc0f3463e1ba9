"""What the facts of all domains share: how they are decoded, and the counter of decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from tocsin.projections.projection import Item, Record, Undecodable


@lru_cache(4096)  # the facts of a batch share their instants
def instant(text: str) -> str:
    """The same text, if PostgreSQL will read it as an instant. Raises ValueError when it will not."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return text


@lru_cache(4096)
def hour_of(at: str) -> str:
    hour = datetime.fromisoformat(at).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour.isoformat()


@lru_cache(4096)
def decision_labels(domain: str, fact: str, reason: str) -> str:
    return orjson.dumps({"domain": domain, "fact": fact, "reason": reason}).decode()


def decoder(types: Mapping[str, type[Any]]) -> Callable[[Record], Item]:
    """Reads facts by their ``ce_type`` header; the decoder raises Undecodable."""
    decoders = {name.encode(): (name, msgspec.json.Decoder(cls).decode) for name, cls in types.items()}

    def decode(record: Record) -> Item:
        headers = dict(record.headers)
        found = decoders.get(headers.get("ce_type") or b"")
        if found is None:
            raise Undecodable(f"no fact of this topic has the type {headers.get('ce_type')!r}")
        workspace = headers.get("ce_workspace")
        if not workspace or record.value is None:
            raise Undecodable("a fact without a workspace" if record.value is not None else "a fact without a value")
        name, parse = found
        try:
            return Item(record, workspace.decode(), name, parse(record.value))
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
            raise Undecodable(f"{name} cannot be read: {error}") from None

    return decode
