"""Sender-given ids of the last minutes, so that a sender's retry is recognised; kept in the state topic in chunks.

Only 8 bytes of a hash are kept per id: at 300,000 ids the chance that a new id is mistaken for an old one is 2e-14.
Chunks have a bounded number of slots, so that compaction bounds what a new owner reads.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

SLOTS: Final = 65_536
KEY_PREFIX: Final = b"\0ids/"
_HEAD: Final = struct.Struct(">QQ")  # sequence number, Unix ms


def id_hash(workspace: str, event_id: str) -> bytes:
    return hashlib.blake2b(f"{workspace}\0{event_id}".encode(), digest_size=8).digest()


class IdRing:
    """The ids applied on one partition within ``window_ms``, at most ``cap`` of them; the oldest chunk goes first."""

    def __init__(self, window_ms: int, cap: int) -> None:
        self.window_ms, self.cap = window_ms, cap
        self.shortened = 0  # chunks dropped before their time, because of the cap
        self._ids: set[bytes] = set()
        self._chunks: deque[tuple[int, int, Sequence[bytes]]] = deque()
        self._next_sequence = 0

    def __contains__(self, hashed: bytes) -> bool:
        return hashed in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def encode(self, now: int, ids: Sequence[bytes]) -> tuple[bytes, bytes]:
        """The state record (key, value) that will hold these ids; ``add`` them once it is committed."""
        slot = self._next_sequence % SLOTS
        return KEY_PREFIX + b"%05d" % slot, _HEAD.pack(self._next_sequence, now) + b"".join(ids)

    def add(self, now: int, ids: Sequence[bytes]) -> None:
        self._append(self._next_sequence, now, ids)
        self._next_sequence += 1
        self._evict(now)

    def load(self, values: Iterable[bytes], now: int) -> None:
        """Takes over the chunks found in the state topic; ``now``: the partition's logical time."""
        chunks = sorted((*_HEAD.unpack_from(value), value) for value in values)
        for sequence, at, value in chunks:
            ids = [value[start : start + 8] for start in range(_HEAD.size, len(value), 8)]
            self._append(sequence, at, ids)
            self._next_sequence = sequence + 1
        self._evict(now)

    def _append(self, sequence: int, now: int, ids: Sequence[bytes]) -> None:
        self._chunks.append((sequence, now, ids))
        self._ids.update(ids)

    def _evict(self, now: int) -> None:
        horizon = now - self.window_ms
        while self._chunks:
            sequence, at, ids = self._chunks[0]
            expired = at < horizon
            if not expired and len(self._ids) <= self.cap and self._next_sequence - sequence < SLOTS:
                return
            self._chunks.popleft()
            self._ids.difference_update(ids)
            self.shortened += not expired
