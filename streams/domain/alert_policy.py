"""When an alert that nobody resolves is over by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class AlertsPolicy(msgspec.Struct, frozen=True):
    """``resolve_after_ms``: the silence after which an alert is over, None = never; ``sources``: exceptions."""

    resolve_after_ms: int | None = None
    sources: dict[str, int | None] = {}

    def resolve_after(self, source: str) -> int | None:
        return self.sources.get(source, self.resolve_after_ms)


def policy_of(body: Mapping[str, Any]) -> AlertsPolicy:
    """Raises msgspec.ValidationError when the body is no alerts policy."""
    return msgspec.convert(body, AlertsPolicy)
