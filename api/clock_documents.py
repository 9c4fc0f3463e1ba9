"""SLA clocks as clients get to see them: what has passed is computed while reading, in the calendar of the clock."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from tocsin.business_time import ALWAYS, ALWAYS_OPEN, Calendar, calendar_of
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.projections.tables.tickets import instant

Calendars = Mapping[str, Mapping[str, Any]]
"""By version of the policy and name."""
_OPEN: Final = ("in_progress", "paused")


def clock_document(row: Mapping[Any, Any], calendars: Calendars, now: int) -> dict[str, Any]:
    """One clock at an instant, for ``orjson``. now: Unix ms. All ``*_ms`` are open time of its calendar.

    ``remaining_ms`` is negative after a breach. Of a clock whose policy is not known yet, time stands as it was stored.
    """
    calendar = _calendar(calendars.get(row["policy_version"], {}), row["calendar"])
    elapsed, paused = row["elapsed_ms"], row["paused_ms"]
    running, target = row["stage"] == "in_progress", row["target_ms"]
    if calendar is not None and running:
        elapsed += calendar.between(_ms(row["as_of"]), now)
    if calendar is not None and row["stage"] == "paused" and row["paused_at"] is not None:
        paused += calendar.between(_ms(row["paused_at"]), now)
    overdue = running and row["breached_at"] is None and row["due_at"] is not None and _ms(row["due_at"]) <= now
    return {
        "metric": row["metric"],
        "cycle": row["cycle"],
        "stage": row["stage"],
        "priority": row["priority"],
        "customer_tier": row["customer_tier"],
        "goal_ms": target,
        "elapsed_ms": elapsed,
        "remaining_ms": target - elapsed,
        "percent": round(100 * elapsed / target, 1),
        "started_at": instant(row["started_at"]),
        "due_at": instant(row["due_at"]),
        "warned_percent": row["warned_percent"],
        "next_warning_percent": row["next_warning_percent"],
        "next_warning_at": instant(row["next_warning_at"]),
        # a due time that has passed is missed, also while nobody has noticed
        "breached": row["breached_at"] is not None or overdue,
        "breached_at": instant(row["breached_at"]),
        "detected_at": instant(row["detected_at"]),
        "paused": row["stage"] == "paused",
        "paused_at": instant(row["paused_at"]),
        "pause_reason": row["pause_reason"],
        "paused_ms": paused,
        "stopped_at": instant(row["stopped_at"]),
        "result": row["result"],
        "calendar": row["calendar"],
        "within_calendar_hours": None if calendar is None else calendar.is_open(now),
        "policy_version": row["policy_version"],
        "as_of": rfc3339(now) if row["stage"] in _OPEN else instant(row["as_of"]),
    }


def _calendar(known: Mapping[str, Any], name: str) -> Calendar | None:
    if name == ALWAYS:
        return ALWAYS_OPEN
    body = known.get(name)
    return None if body is None else _made(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))


@functools.lru_cache(256)  # holidays of years are read once
def _made(body: bytes) -> Calendar:
    return calendar_of(orjson.loads(body))


def _ms(moment: datetime) -> int:
    return round_down_ms(moment.astimezone(UTC))
