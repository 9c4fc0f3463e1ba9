"""What a row is, and what it is given to run with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.environment import Environment
from bench.figures import Figures, Line, Rounds

Run = Callable[[], Awaitable[Figures]]


class Bench:
    """One run of the benchmarks. ``say`` shows what is being done."""

    def __init__(self, quick: bool, say: Callable[[str], None]) -> None:
        self.quick = quick
        self.say = say

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """A short path: PostgreSQL's socket lives below it."""
        found = Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
        try:
            yield found
        finally:
            shutil.rmtree(found, ignore_errors=True)

    @contextmanager
    def environment(self) -> Iterator[Environment]:
        """A Kafka and a PostgreSQL of the row's own."""
        with self.directory() as directory:
            self.say("starting Kafka and PostgreSQL")
            environment = Environment(directory)
            try:
                yield environment
            finally:
                environment.stop()

    async def in_turns(self, rounds: int, ours: Run, bare: Run, *, warm_up: bool = True) -> tuple[Rounds, Rounds]:
        """Ours, bare, ours, bare …; with ``warm_up`` one round before that does not count."""
        found = Rounds(), Rounds()
        for number in range(0 if warm_up else 1, rounds + 1):
            for kept, name, run in zip(found, ("tocsin", "bare"), (ours, bare), strict=True):
                self.say(f"{name}, {f'round {number} of {rounds}' if number else 'warm-up'}")
                figures = await run()
                if number:
                    kept.add(figures)
        return found


@dataclass(frozen=True, slots=True)
class Row:
    """``bare``: what the bare loop is, in words; empty when there is none."""

    name: str
    title: str
    run: Callable[[Bench], Coroutine[Any, Any, list[Line]]]
    bare: str = ""
