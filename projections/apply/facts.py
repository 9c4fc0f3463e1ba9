"""What the facts of all domains share: how they are decoded, and the counter of decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from tocsin.projections.projection import Item, Record, Undecodable


@lru_cache(4096)  # the facts of a batch share their instants
def instant(text: str) -> datetime:
    """Raises ValueError for text that is no RFC 3339 date-time with an offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return moment


@lru_cache(4096)
def hour_of(at: str) -> datetime:
    return instant(at).replace(minute=0, second=0, microsecond=0)


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
