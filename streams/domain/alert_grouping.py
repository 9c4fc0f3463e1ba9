"""Which incident an alert belongs to: the first grouping rule that matches, and the values of its group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.events.alerts import Grouping
from tocsin.events.identity import incident_entity
from tocsin.streams.domain.alert_policy import ALONE, AlertsPolicy, GroupingRule
from tocsin.streams.domain.matching import Fields, compared, rendered

_ALONE: Final = GroupingRule(ALONE)
_MAX_TITLE: Final = 200
_MAX_LEVELS: Final = 16  # of the service map; more is a circle


def group(workspace: str, fields: Fields, policy: AlertsPolicy) -> Grouping | None:
    """The terms of the alert's incident; None when the rule that governs says that there is none.

    fields: the alert after classification.
    """
    for rule in policy.grouping:
        seen = compared(rule.match, fields)
        if seen is not None:
            return _grouping(workspace, rule, seen, fields, policy.services) if rule.incident else None
    return _grouping(workspace, _ALONE, {}, fields, policy.services)


def _grouping(
    workspace: str, rule: GroupingRule, seen: dict[str, str], fields: Fields, services: Mapping[str, str]
) -> Grouping:
    key = {field: fields.get(field, "") for field in rule.group_by}
    if not any(key.values()):
        # nothing it could share with others: it stands alone
        key = {"fingerprint": fields["fingerprint"]}
    if key.get("service"):
        key["service"] = topmost(key["service"], services)
        seen = {**seen, "service": fields["service"]}
    return Grouping(
        rule=rule.name,
        incident_entity=incident_entity(workspace, rule.name, *(f"{name}={value}" for name, value in key.items())),
        group=key,
        title=rendered(rule.title, {**fields, **key})[:_MAX_TITLE] or fields["title"][:_MAX_TITLE],
        threshold=rule.threshold,
        window_ms=rule.window_ms,
        auto_resolve=rule.auto_resolve,
        reopen_within_ms=rule.reopen_within_ms,
        compared=seen,
    )


def topmost(service: str, services: Mapping[str, str]) -> str:
    """The service at the top of the map above this one; itself when it is part of nothing."""
    for _ in range(_MAX_LEVELS):
        if not (above := services.get(service)):
            break
        service = above
    return service
