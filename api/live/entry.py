"""Events of the log as clients get them: a JSON frame each, made once however many clients there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.api.live.cursor import Cursor, last_position_of, position_of
from tocsin.events.envelope import EnvelopeError, from_headers
from tocsin.events.live import LIVE_EVENTS, MAX_EVENTS

_ENTRY_BYTES: Final = 400  # of the objects around a frame
_NO_DATA: Final = msgspec.Raw(b"{}")


class _Event(msgspec.Struct, frozen=True):
    """A live event whose data is handed on unread."""

    type: str
    occurred_at: str
    ticket_id: str | None = None
    escalation_level: int | None = None
    data: msgspec.Raw = _NO_DATA


class _Record(msgspec.Struct, frozen=True):
    events: list[_Event]


class Frame(msgspec.Struct, frozen=True):
    """What a client gets; every member always there. ``id``: see Cursor; ``occurred_at``: RFC 3339 UTC."""

    id: str
    type: str
    occurred_at: str
    ticket_id: str | None
    escalation_level: int | None
    data: Any


class Entry(NamedTuple):
    """``position`` in its partition (see Cursor); ``frame`` is JSON on one line."""

    position: int
    workspace: str
    type: str
    frame: str

    @property
    def size(self) -> int:
        """Bytes this keeps in memory, about."""
        return _ENTRY_BYTES + len(self.frame)


class Undecodable(ValueError):
    """A record that holds no live events this release can read; ``str(error)`` says why."""


_DECODE: Final = msgspec.json.Decoder(_Record).decode
_ENCODE: Final = msgspec.json.Encoder().encode


def entries_of(
    partition: int, offset: int, headers: Iterable[tuple[str, bytes | None]], value: bytes | None
) -> list[Entry]:
    """What one record tells. Raises Undecodable."""
    try:
        envelope = from_headers(headers)
        if envelope.type != LIVE_EVENTS:
            raise Undecodable(f"{envelope.type} is not {LIVE_EVENTS}")
        events = _DECODE(value or b"").events
    except (EnvelopeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable(str(error)) from error
    if len(events) > MAX_EVENTS:
        raise Undecodable(f"{len(events)} events are more than the {MAX_EVENTS} of a record")
    positions = [position_of(offset, index) for index in range(len(events) - 1)] + [last_position_of(offset)]
    return [
        _entry(Cursor(partition, position), envelope.workspace, event)
        for position, event in zip(positions, events, strict=False)
    ]


def _entry(cursor: Cursor, workspace: str, event: _Event) -> Entry:
    frame = Frame(str(cursor), event.type, event.occurred_at, event.ticket_id, event.escalation_level, event.data)
    return Entry(cursor.position, workspace, event.type, _ENCODE(frame).decode())
