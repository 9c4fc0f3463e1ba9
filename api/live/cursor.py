"""Where a client stands in the live events of its workspace: ``<partition>-<offset>``, the last position passed."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TEXT: Final = re.compile(r"([0-9]{1,4})-(-1|[0-9]{1,18})")


class Cursor(NamedTuple):
    """``offset`` is -1 before the first record."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"

    @property
    def next(self) -> int:
        return self.offset + 1


def parse(text: str) -> Cursor:
    """Raises ValueError for what no event of ours has as its id."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError("the id of a live event is <partition>-<offset>")
    return Cursor(int(found[1]), int(found[2]))
