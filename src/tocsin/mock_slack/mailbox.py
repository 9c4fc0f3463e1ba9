"""What was received, the newest only, and which webhook has had its message of this second."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

MOST_MESSAGES: Final = 20_000
MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_WEBHOOKS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Message:
    """``number`` counts from 1; ``received_at`` RFC 3339 UTC; ``body`` the payload as JSON.

    ``channel``: the one the payload names, else the last part of the webhook's path. ``headers``: the delivery's own.
    """

    number: int
    received_at: str
    webhook: str
    channel: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def payload(self) -> dict[str, Any]:
        """Decoded each time: kept as objects it would take many times its size."""
        found: dict[str, Any] = orjson.loads(self.body)
        return found

    def shown(self) -> dict[str, Any]:
        """As one item of the list."""
        return {
            "number": self.number,
            "received_at": self.received_at,
            "webhook": self.webhook,
            "channel": self.channel,
            "headers": dict(self.headers),
            "payload": self.payload,
        }


class Mailbox:
    """``rate``: messages a second that each webhook takes, 0 = all. ``failing``: how many requests fail first."""

    def __init__(self, rate: float = 0, failing: int = 0, most: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES):
        self.rate, self.failing = rate, failing
        self.accepted = self.refused = 0
        self._most, self._most_bytes = most, most_bytes
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def fails(self) -> bool:
        """Whether this request is one of the first, which fail."""
        if self.failing <= 0:
            return False
        self.failing -= 1
        return True

    def wait(self, webhook: str, now: float) -> int:
        """Whole seconds until this webhook takes a message again; 0: now, and it is spent. ``now``: seconds."""
        if self.rate <= 0:
            return 0
        free_at = self._free_at.get(webhook, now)
        if free_at > now:
            return math.ceil(free_at - now)
        self._free_at[webhook] = now + 1 / self.rate
        self._free_at.move_to_end(webhook)
        while len(self._free_at) > _MOST_WEBHOOKS:
            self._free_at.popitem(last=False)
        return 0

    def keep(self, received_at: str, webhook: str, payload: Mapping[str, Any], headers: Mapping[str, str]) -> Message:
        self.accepted += 1
        named = payload.get("channel")
        channel = named if isinstance(named, str) and named else webhook.rpartition("/")[2]
        message = Message(self.accepted, received_at, webhook, channel, orjson.dumps(payload), headers)
        self._messages.append(message)
        self._bytes += len(message.body)
        while len(self._messages) > self._most or self._bytes > self._most_bytes:
            self._bytes -= len(self._messages.popleft().body)
        return message

    def messages(self, channel: str = "", after: int = 0) -> Sequence[Message]:
        """In the order of arrival; of one channel, or all."""
        return [one for one in self._messages if one.number > after and channel in ("", one.channel)]

    def clear(self) -> None:
        """Numbers go on."""
        self._messages.clear()
        self._bytes = 0
