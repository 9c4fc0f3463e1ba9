"""A stream worker whose clock is moved by hand: ``python -m tests.faults.clocked FILE [DOMAIN …]``.

FILE holds by how many milliseconds both its own clock and the log's are ahead.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from pathlib import Path
from typing import Any

from tocsin.streams import worker
from tocsin.streams.runtime import timers
from tocsin.streams.runtime.draft import Draft


def move(file: Path) -> None:
    def ahead() -> int:
        return int(file.read_text() or 0)

    take, real_now = Draft.take, timers.unix_now

    def take_ahead(self: Draft, record: Any) -> None:
        take(self, dataclasses.replace(record, timestamp=record.timestamp + ahead()))

    def now_ahead() -> int:
        return real_now() + ahead()

    Draft.take = take_ahead  # type: ignore[method-assign]
    worker.create_app = functools.partial(worker.create_app, clock=now_ahead)


if __name__ == "__main__":
    move(Path(sys.argv[1]))
    worker.run(sys.argv[2:])
