"""What each fact about an incident changes in its row, and the entry it leaves in the timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tocsin.events import incidents as contract
from tocsin.projections.apply.facts import instant

Columns = dict[str, Any]
_encode: Final = msgspec.json.Encoder().encode


def columns_after(fact: contract.IncidentFact, before: Columns) -> Columns:
    """The row after a fact; ``before`` is empty for one that opens. Raises ValueError for a time that is none."""
    after = before | {
        "status": fact.status,
        "severity": fact.severity,
        "alert_count": fact.alert_count,
        "active_alerts": fact.active_alerts,
        "last_alert_at": instant(fact.last_alert_at),
        "updated_at": instant(fact.at),
        "version": fact.version,
    }
    change = _CHANGES.get(type(fact))
    return after | change(fact, before) if change else after


def _opened(fact: contract.IncidentOpened, _: Columns) -> Columns:
    return {
        "title": fact.title,
        "service": fact.service,
        "team": fact.team,
        "environment": fact.environment,
        "sources": "[]",
        "rule": fact.rule,
        "group": _encode(fact.group).decode(),
        "auto_resolve": fact.auto_resolve,
        "assignee": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "previous_incident_id": fact.previous_incident_id or None,
        "split_from": fact.split_from or None,
        "merged_into": None,
        "resolved_at": None,
        "reopen_until": None,
        "closed_at": None,
        "created_at": instant(fact.at),
    }


def _added(fact: contract.AlertAdded, before: Columns) -> Columns:
    return _with_sources(before, (fact.alert.source,))


def _adopted(fact: contract.AlertsAdopted, before: Columns) -> Columns:
    return _with_sources(before, fact.sources)


def _with_sources(before: Columns, added: tuple[str, ...]) -> Columns:
    known = msgspec.json.decode(before["sources"], type=list[str])
    return {"sources": _encode(sorted({*known, *added} - {""})).decode()}


def _status_changed(fact: contract.IncidentStatusChanged, before: Columns) -> Columns:
    at = instant(fact.at)
    over = fact.status in ("RESOLVED", "CLOSED")
    return {
        "resolved_at": (at if fact.status == "RESOLVED" else before["resolved_at"]) if over else None,
        "reopen_until": instant(fact.reopen_until) if fact.reopen_until else None,
        "closed_at": at if fact.status == "CLOSED" else None,
    }


def _merged(fact: contract.IncidentMerged, before: Columns) -> Columns:
    return {"merged_into": fact.merged_into, "closed_at": instant(fact.at), "reopen_until": None}


_CHANGES: Final[Mapping[type[Any], Callable[[Any, Columns], Columns]]] = {
    contract.IncidentOpened: _opened,
    contract.AlertAdded: _added,
    contract.AlertsAdopted: _adopted,
    contract.IncidentStatusChanged: _status_changed,
    contract.IncidentAcknowledged: lambda fact, _: {
        "acknowledged_at": instant(fact.at),
        "acknowledged_by": fact.actor,
    },
    contract.IncidentAssigned: lambda fact, _: {"assignee": fact.assignee or None},
    contract.IncidentMerged: _merged,
}

# --- the timeline ---------------------------------------------------------------------------------------------------


def action_of(fact: Any, before: Columns) -> tuple[str, Mapping[str, Any]] | None:
    """The name of what happened and what it is about; None for what is no entry of its own: alerts that come and go
    are rows of their own, unless the severity of the incident follows them."""
    if (describe := _ACTIONS.get(type(fact))) is not None:
        return describe(fact)
    if before and before["severity"] != fact.severity:
        about = fact.alert.alert_id if isinstance(fact, contract.AlertAdded) else getattr(fact, "alert_id", "")
        return "severity_changed", {"from": before["severity"], "to": fact.severity, "alert_id": about}
    return None


def _ids(members: tuple[contract.Member, ...]) -> list[str]:
    return [one.alert_id for one in members]


_ACTIONS: Final[Mapping[type[Any], Callable[[Any], tuple[str, Mapping[str, Any]]]]] = {
    contract.IncidentOpened: lambda fact: (
        "opened",
        {"rule": fact.rule, "group": fact.group}
        | {name: value for name in ("previous_incident_id", "split_from") if (value := getattr(fact, name))},
    ),
    contract.IncidentStatusChanged: lambda fact: (fact.action, {}),
    contract.IncidentAcknowledged: lambda fact: ("acknowledged", {}),
    contract.IncidentAssigned: lambda fact: ("assigned", {"from": fact.from_assignee, "to": fact.assignee}),
    contract.CommentAdded: lambda fact: ("commented", {"text": fact.text}),
    contract.MergeStarted: lambda fact: ("merge_started", {"source_id": fact.source_id}),
    contract.MergeEnded: lambda fact: ("merge_declined", {"source_id": fact.source_id}),
    contract.IncidentMerged: lambda fact: ("merged", {"into": fact.merged_into}),
    contract.AlertsSplitOff: lambda fact: (
        "split",
        {"to_incident_id": fact.to_incident_id, "alert_ids": _ids(fact.members)},
    ),
    contract.AlertsAdopted: lambda fact: (
        "alerts_adopted",
        {"from_incident_id": fact.from_incident_id, "how": fact.how, "alert_ids": _ids(fact.members)},
    ),
}
