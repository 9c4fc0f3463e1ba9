"""Where the words of an alert go when its incident was merged into another, or the alert was split off."""

from __future__ import annotations

from tocsin.events import incidents as contract
from tocsin.events.identity import entity_of_numbered
from tocsin.events.incidents import AlertCleared, AlertRaised, AlertUpdated
from tocsin.streams.domain.incident_telling import Telling


def forwarded(
    telling: Telling,
    alert_id: str,
    incident_id: str,
    *,
    raised: AlertRaised | None = None,
    updated: AlertUpdated | None = None,
    cleared: AlertCleared | None = None,
) -> bool:
    """Sends on what belongs elsewhere; False when it belongs here. ``incident_id``: whom it was forwarded to before."""
    state = telling.state
    to, rule = state.moved.get(entity_of_numbered(alert_id), ""), "split_off"
    if not to and (raised is not None or state.holding(alert_id) is None):
        incident = (state.incident(incident_id) if incident_id else None) or state.latest()
        to, rule = incident.merged_into if incident else "", "merged"
    if to:
        telling.plain(contract.AlertForwarded, rule, to_incident_id=to, raised=raised, updated=updated, cleared=cleared)
    return bool(to)
