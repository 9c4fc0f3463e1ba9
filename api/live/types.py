"""Which types of live events a client wants: exact names, and prefixes with a star at their end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from tocsin.events.live import TYPES

MAX_PATTERNS: Final = 32


class UnknownType(ValueError):
    """A pattern that no type matches; ``pattern`` names it."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"{pattern} is no type of live events")
        self.pattern = pattern


class Types(NamedTuple):
    """Sorted, so that clients who want the same share what is kept for them."""

    exact: tuple[str, ...]
    prefixes: tuple[str, ...]

    def match(self, live_type: str) -> bool:
        return live_type in self.exact or live_type.startswith(self.prefixes)


EVERY: Final = Types((), ("",))


def parse(patterns: Iterable[str]) -> Types:
    """``sla.*`` and ``ticket.opened``; none = every type.

    Raises UnknownType for a pattern that matches no type there is: with a typing error nothing would ever be heard.
    """
    given = set(patterns)
    if not given:
        return EVERY
    for pattern in sorted(given):
        wanted = Types((), (pattern[:-1],)) if pattern.endswith("*") else Types((pattern,), ())
        if "*" in pattern[:-1] or not any(map(wanted.match, TYPES)):
            raise UnknownType(pattern)
    prefixes = {pattern[:-1] for pattern in given if pattern.endswith("*")}
    exact = {pattern for pattern in given if not pattern.endswith("*") and not pattern.startswith(tuple(prefixes))}
    return Types(tuple(sorted(exact)), tuple(sorted(prefixes)))
