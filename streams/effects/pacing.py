"""Deliveries that may not start as fast as they come: a line for each key, one start an interval, the rest in order.

A line lets its first go and no other until that one has dialled, so what is measured is what the receiver sees. Whoever
leaves without having dialled costs the line nothing. Kept in memory: after a change of owner the next start may come
early by one interval.

One start at a time is Slack's own measure: "no more than one message per second", bursts over it only shortly
(https://docs.slack.dev/apis/web-api/rate-limits, section on posting messages).
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import NamedTuple


class Pace(NamedTuple):
    """``key`` within the workspace; ``interval_ms`` between two starts."""

    workspace: str
    key: str
    interval_ms: int

    @property
    def line(self) -> tuple[str, str]:
        return self.workspace, self.key


def pace(workspace: str, key: str, per_second: float) -> Pace | None:
    """None: nothing holds them back."""
    return Pace(workspace, key, math.ceil(1000 / per_second)) if key and per_second > 0 else None


@dataclass(slots=True)
class _Line:
    """``waiting``: a heap by time and number. ``starting``: let go, not dialled yet. ``free_at``: Unix ms."""

    waiting: list[tuple[int, int, str]] = field(default_factory=list)
    starting: str = ""
    free_at: int = 0


class Lines:
    """Of ids, each in one line at most. ``now`` is Unix ms everywhere."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], _Line] = {}
        self._members: dict[str, tuple[Pace, int]] = {}
        self._wakes: list[tuple[int, tuple[str, str]]] = []
        self._numbers = 0

    def __len__(self) -> int:
        """How many wait, or were let go and have not dialled."""
        return len(self._members)

    def join(self, pace: Pace, item: str, not_before: int) -> None:
        """Behind those whose time was earlier or the same."""
        self._numbers += 1
        self._members[item] = pace, self._numbers
        line = self._lines.setdefault(pace.line, _Line())
        heapq.heappush(line.waiting, (not_before, self._numbers, item))
        self._wake(pace.line, line)

    def leave(self, item: str) -> None:
        """It is not wanted any more, or ended; nothing happens to one that is in no line."""
        if (member := self._members.pop(item, None)) is None:
            return
        line = self._lines[member[0].line]
        if line.starting == item:
            line.starting = ""
            self._wake(member[0].line, line)

    def dialled(self, item: str, now: int) -> None:
        """The next of its line may go an interval from now."""
        if (member := self._members.pop(item, None)) is None:
            return
        pace, _ = member
        line = self._lines[pace.line]
        line.starting = ""
        line.free_at = max(line.free_at, now + pace.interval_ms)
        self._wake(pace.line, line)

    def hold(self, pace: Pace, until: int) -> None:
        """Nothing of this line goes before ``until``, Unix ms."""
        line = self._lines.setdefault(pace.line, _Line())
        line.free_at = max(line.free_at, until)
        self._wake(pace.line, line)

    def ready(self, now: int) -> list[str]:
        """Those that may go now; each owes a ``dialled`` or a ``leave``."""
        found = []
        while self._wakes and self._wakes[0][0] <= now:
            _, name = heapq.heappop(self._wakes)
            if (line := self._lines.get(name)) and not line.starting and line.free_at <= now:
                if item := self._first(line):
                    line.starting = item
                    found.append(item)
                else:
                    del self._lines[name]
        return found

    def wakes_at(self) -> int | None:
        """When to ask again, Unix ms; None while that would be in vain."""
        return self._wakes[0][0] if self._wakes else None

    def _wake(self, name: tuple[str, str], line: _Line) -> None:
        if not line.starting:
            heapq.heappush(self._wakes, (line.free_at, name))

    def _first(self, line: _Line) -> str:
        """Taken out of those that wait; empty when there is none."""
        while line.waiting:
            _, number, item = heapq.heappop(line.waiting)
            if (member := self._members.get(item)) and member[1] == number:
                return item
        return ""
