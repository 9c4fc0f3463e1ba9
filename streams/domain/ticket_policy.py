"""How repeats of a resolved failure are treated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

DEFAULT_REOPEN_WITHIN_MS: Final = 24 * 60 * 60 * 1000


class TicketsPolicy(msgspec.Struct, frozen=True):
    """How repeats of a resolved failure are treated: the re-open window in ms, None = never re-open."""

    reopen_within_ms: int | None = DEFAULT_REOPEN_WITHIN_MS
    sources: dict[str, int | None] = {}

    def reopen_within(self, source: str) -> int | None:
        return self.sources.get(source, self.reopen_within_ms)


def policy_of(body: Mapping[str, Any]) -> TicketsPolicy:
    """Raises msgspec.ValidationError when the body is no tickets policy."""
    return msgspec.convert(body, TicketsPolicy)
