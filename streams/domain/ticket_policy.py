"""What governs tickets, from two files: how repeats of a resolved failure are treated, and the SLA policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tocsin.streams.domain.sla_rules import SlaPolicy, sla_policy_of

DEFAULT_REOPEN_WITHIN_MS: Final = 24 * 60 * 60 * 1000
SLA: Final = "sla"
"""Where the body of the SLA policy is kept within that of the domain."""


class TicketsPolicy(msgspec.Struct, frozen=True):
    """reopen_within_ms: the re-open window of a resolved failure, None = never re-open. sla: None = no clocks."""

    reopen_within_ms: int | None = DEFAULT_REOPEN_WITHIN_MS
    sources: dict[str, int | None] = {}
    sla: SlaPolicy | None = None

    def reopen_within(self, source: str) -> int | None:
        return self.sources.get(source, self.reopen_within_ms)


def policy_of(body: Mapping[str, Any]) -> TicketsPolicy:
    """Raises msgspec.ValidationError, ZoneError or KeyError when the body is no tickets policy."""
    policy = msgspec.convert({name: value for name, value in body.items() if name != SLA}, TicketsPolicy)
    if SLA in body:
        return msgspec.structs.replace(policy, sla=sla_policy_of(body[SLA]))
    return policy
