"""When the entities of one partition want to be woken. A heap with lazy deletion: a changed due time leaves its old
entry behind, which is skipped when it comes up."""

from __future__ import annotations

import heapq


class DueIndex:
    """Due times in Unix ms by record key."""

    def __init__(self) -> None:
        self._due: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: bytes, due_at: int | None) -> None:
        """Arms, moves or (None) disarms the timer of an entity."""
        if due_at is None:
            self._due.pop(key, None)
        elif self._due.get(key) != due_at:
            self._due[key] = due_at
            heapq.heappush(self._heap, (due_at, key))

    def next_due(self) -> int | None:
        """The earliest due time, or None when no timer is armed."""
        while self._heap:
            due_at, key = self._heap[0]
            if self._due.get(key) == due_at:
                return due_at
            heapq.heappop(self._heap)
        return None

    def take_due(self, now: int, at_most: int) -> list[tuple[bytes, int]]:
        """Removes and returns up to ``at_most`` timers due at ``now`` or before, earliest first.

        They are armed again by the decision their wake-up leads to, or by the caller when publishing it failed.
        """
        taken: list[tuple[bytes, int]] = []
        while len(taken) < at_most and (due_at := self.next_due()) is not None and due_at <= now:
            _, key = heapq.heappop(self._heap)
            del self._due[key]
            taken.append((key, due_at))
        return taken
