"""A record of the log as clients get it: one JSON frame, made once however many clients there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.api.live.cursor import Cursor
from tocsin.events.envelope import EnvelopeError, from_headers
from tocsin.events.live import LIVE_EVENT

_ENTRY_BYTES: Final = 400  # of the objects around a frame
_NO_DATA: Final = msgspec.Raw(b"{}")


class _Recorded(msgspec.Struct, frozen=True):
    """A live event whose data is handed on unread."""

    type: str
    occurred_at: str
    ticket_id: str | None = None
    escalation_level: int | None = None
    data: msgspec.Raw = _NO_DATA


class Frame(msgspec.Struct, frozen=True):
    """What a client gets; every member always there. ``id``: see Cursor; ``occurred_at``: RFC 3339 UTC."""

    id: str
    type: str
    occurred_at: str
    ticket_id: str | None
    escalation_level: int | None
    data: Any


class Entry(NamedTuple):
    """``offset`` in its partition; ``frame`` is JSON on one line."""

    offset: int
    workspace: str
    type: str
    frame: str

    @property
    def size(self) -> int:
        """Bytes this keeps in memory, about."""
        return _ENTRY_BYTES + len(self.frame)


class Undecodable(ValueError):
    """A record that is no live event this release can read; ``str(error)`` says why."""


_DECODE: Final = msgspec.json.Decoder(_Recorded).decode
_ENCODE: Final = msgspec.json.Encoder().encode


def entry_of(partition: int, offset: int, headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> Entry:
    """Raises Undecodable."""
    try:
        envelope = from_headers(headers)
        if envelope.type != LIVE_EVENT:
            raise Undecodable(f"{envelope.type} is not {LIVE_EVENT}")
        event = _DECODE(value or b"")
    except (EnvelopeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable(str(error)) from error
    frame = Frame(
        str(Cursor(partition, offset)),
        event.type,
        event.occurred_at,
        event.ticket_id,
        event.escalation_level,
        event.data,
    )
    return Entry(offset, envelope.workspace, event.type, _ENCODE(frame).decode())
