"""How an SLA policy comes to govern a partition: beside what the tickets file activated, each surviving the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.business_time import CalendarHours
from tocsin.events.commands import Fact
from tocsin.events.sla import SlaPolicyActivated, SlaPolicyApplied
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.sla_rules import digest
from tocsin.streams.domain.ticket_policy import SLA, TicketsPolicy

AMENDING: Final = frozenset({SlaPolicyActivated})
RETIRED_KEPT: Final = 16
"""Calendars of policies before, by which clocks that were not re-targeted go on."""


def amended(body: Mapping[str, Any], received: Received) -> Mapping[str, Any]:
    """The body after an activation of either policy; the same one when that version governs already."""
    event = received.event
    present: Mapping[str, Any] = body.get(SLA, {})
    if not isinstance(event, SlaPolicyActivated):
        return {**event.body, SLA: present} if present else event.body
    if present.get("version") == event.version:
        return body
    added = {"version": event.version, "activated_at": received.now, "retired": _retired(present, event.body)}
    return {**body, SLA: {**event.body, **added}}


def _retired(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """``name@version`` → hours of the calendars that are not in the new policy, the newest last."""
    retired = {**before.get("retired", {}), **_versions(before.get("calendars", {}))}
    for present in _versions(after.get("calendars", {})):
        retired.pop(present, None)
    return dict(list(retired.items())[-RETIRED_KEPT:])


def _versions(calendars: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name}@{digest(msgspec.convert(hours, CalendarHours))}": hours for name, hours in calendars.items()}


def policy_activated(state: Any, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    """``policy``: the one before."""
    event: SlaPolicyActivated = received.event
    if received.duplicate or (policy.sla is not None and policy.sla.version == event.version):
        return ()
    channels = {
        name: {key: value for key, value in channel.items() if key != "url"}
        for name, channel in event.body.get("channels", {}).items()
    }
    return (
        SlaPolicyApplied(
            entity=received.entity,
            at=received.at,
            cause=received.cause("policy_activated"),
            policy_version=event.version,
            body={**event.body, "channels": channels},
        ),
    )
