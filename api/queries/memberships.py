"""Which alerts belong to which incident, merges followed: an alert of a merged incident belongs to the one that took
it over, unless it was split off on the way."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import ColumnElement, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.projections.tables import alerts

# An incident with those merged into it, each with the way there; one that was merged itself has no alerts any more.
# Merges make no circle, the bound is a second net.
_MERGED: Final = """
WITH RECURSIVE merged(incident_id, way) AS (
    SELECT incident_id, ARRAY[incident_id] FROM read_model.incidents
     WHERE workspace = :workspace AND incident_id = :incident_id AND merged_into IS NULL
    UNION ALL
    SELECT one.incident_id, way || one.incident_id
      FROM merged JOIN read_model.incidents AS one
        ON one.workspace = :workspace AND one.merged_into = merged.incident_id
     WHERE cardinality(way) < 100
)
SELECT member.alert_id
  FROM merged JOIN read_model.incident_alerts AS member
    ON member.workspace = :workspace AND member.incident_id = merged.incident_id AND member.moved_to IS NULL
 WHERE NOT EXISTS (SELECT FROM read_model.incident_alerts AS gone
                    WHERE gone.workspace = :workspace AND gone.alert_id = member.alert_id
                      AND gone.incident_id = ANY (way) AND gone.moved_to IS NOT NULL)
"""
_INCIDENTS: Final = text(
    """
WITH RECURSIVE upwards(alert_id, incident_id, steps) AS (
    SELECT alert_id, incident_id, 1 FROM read_model.incident_alerts
     WHERE workspace = :workspace AND alert_id = ANY (:alert_ids) AND moved_to IS NULL
    UNION ALL
    SELECT alert_id, one.merged_into, steps + 1
      FROM upwards JOIN read_model.incidents AS one
        ON one.workspace = :workspace AND one.incident_id = upwards.incident_id AND one.merged_into IS NOT NULL
     WHERE steps < 100
       AND NOT EXISTS (SELECT FROM read_model.incident_alerts AS gone
                        WHERE gone.workspace = :workspace AND gone.alert_id = upwards.alert_id
                          AND gone.incident_id = one.merged_into AND gone.moved_to IS NOT NULL)
)
SELECT alert_id, incident_id
  FROM upwards JOIN read_model.incidents AS one USING (incident_id)
 WHERE one.workspace = :workspace AND one.merged_into IS NULL
"""
)


def belongs_to(workspace: str, incident_id: str) -> ColumnElement[bool]:
    """The condition that an alert belongs to this incident."""
    members = text(_MERGED).bindparams(workspace=workspace, incident_id=incident_id)
    return alerts.c.alert_id.in_(members.columns(alerts.c.alert_id).scalar_subquery())


async def incidents_of(connection: AsyncConnection, workspace: str, alert_ids: Collection[str]) -> dict[str, str]:
    """The incident of each alert that has one."""
    if not alert_ids:
        return {}
    found: Any = await connection.execute(_INCIDENTS, {"workspace": workspace, "alert_ids": list(alert_ids)})
    return {row.alert_id: row.incident_id for row in found}
