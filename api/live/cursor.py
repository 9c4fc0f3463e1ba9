"""Where a client stands in the live events of its workspace: a position in one partition, and how it is written.

A record holds several events, so a position is the offset of a record and the index of an event in it, as one number;
the last event of a record has the last index there is. ``<partition>-<offset>.<index>`` is how it looks to a client,
and ``<partition>-<offset>`` when the whole record was passed.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_BITS: Final = 12
_LAST: Final = (1 << _BITS) - 1
_TEXT: Final = re.compile(r"([0-9]{1,4})-(?:(-1|[0-9]{1,18})|([0-9]{1,18})\.([0-9]{1,4}))")


def position_of(offset: int, index: int = 0) -> int:
    """Of the event with that index in the record; 0 is also the position of the record itself."""
    return offset << _BITS | index


def last_position_of(offset: int) -> int:
    """Of the last event of the record."""
    return offset << _BITS | _LAST


def offset_of(position: int) -> int:
    return position >> _BITS


class Cursor(NamedTuple):
    """``position``: the last one passed; that of offset -1 before the first record."""

    partition: int
    position: int

    def __str__(self) -> str:
        index = self.position & _LAST
        offset = offset_of(self.position)
        return f"{self.partition}-{offset}" if index == _LAST else f"{self.partition}-{offset}.{index}"

    @property
    def next(self) -> int:
        return self.position + 1


def parse(text: str) -> Cursor:
    """Raises ValueError for what no event of ours has as its id."""
    found = _TEXT.fullmatch(text)
    if found is None or int(found[4] or 0) >= _LAST:
        raise ValueError("the id of a live event is <partition>-<offset>, or <partition>-<offset>.<index>")
    whole = found[2] is not None
    return Cursor(
        int(found[1]), last_position_of(int(found[2])) if whole else position_of(int(found[3]), int(found[4]))
    )
