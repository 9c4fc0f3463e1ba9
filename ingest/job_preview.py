"""What a schedule will do, said before it is saved: its next runs, a sentence, warnings. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from tocsin.cron import describe, next_after, tzdata_version, warnings, zone
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.ingest.job_schedule import Schedule
from tocsin.ingest.job_spec import Body

SHOWN: Final = 20


def preview(body: Body, now: datetime) -> dict[str, Any]:
    """For ``orjson``. The body has a schedule."""
    schedule, where = body.schedule, zone(body.zone_name)
    assert schedule is not None  # noqa: S101 - previewing needs one
    runs = list(islice(_runs(body, where, now), SHOWN))
    cron, run_at = schedule.expression, schedule.run_at
    said = [] if cron is None else warnings(cron, where, body.dst, now)
    return {
        "schedule": {
            "type": "once" if cron is None else "cron",
            "cron": None if cron is None else cron.text,
            "run_at": None if run_at is None else rfc3339(round_down_ms(run_at)),
        },
        "timezone": where.key,
        "dst": body.dst,
        "sentence": _once(schedule, where) if cron is None else describe(cron, where),
        "next_runs": [_shown(moment, where) for moment in runs],
        "warnings": [{"code": one.code, "message": one.message} for one in said] or _clock_warnings(schedule, where),
        "tzdata": tzdata_version(),
    }


def _runs(body: Body, where: ZoneInfo, now: datetime) -> Any:
    schedule = body.schedule
    assert schedule is not None  # noqa: S101
    if schedule.run_at is not None:
        yield schedule.run_at
        return
    assert schedule.expression is not None  # noqa: S101
    after: datetime | None = now
    while after is not None and (after := next_after(schedule.expression, where, after, body.dst)) is not None:
        yield after


def _shown(moment: datetime, where: ZoneInfo) -> dict[str, str]:
    local = moment.astimezone(where).isoformat()
    return {"at": rfc3339(round_down_ms(moment)), "local": local, "offset": _offset(moment.astimezone(where))}


def _offset(local: datetime) -> str:
    """``+02:00``; seconds only where a zone has them."""
    minutes, seconds = divmod(abs(int(_distance(local).total_seconds())), 60)
    sign = "-" if _distance(local) < timedelta() else "+"
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def _distance(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta()


# --- once -----------------------------------------------------------------------------------------------------------


def _once(schedule: Schedule, where: ZoneInfo) -> str:
    assert schedule.run_at is not None  # noqa: S101
    local = schedule.run_at.astimezone(where)
    return f"Once, on {local:%A} {local.day} {local:%B %Y} at {local:%H:%M:%S} by the clock of {where.key}."


def _clock_warnings(schedule: Schedule, where: ZoneInfo) -> list[dict[str, str]]:
    """For a ``run_at`` without offset that the clock skips or shows twice."""
    if schedule.local is None or schedule.run_at is None:
        return []
    given, meant = schedule.local, schedule.run_at.astimezone(where)
    clock = f"{given:%Y-%m-%d %H:%M:%S}"
    if meant.replace(tzinfo=None, fold=0) != given:
        message = f"The clock of {where.key} skips {clock}; it runs at {meant:%H:%M:%S}, later by the gap."
        return [{"code": "dst_gap", "message": message}]
    if given.replace(tzinfo=where, fold=1).astimezone(UTC) != schedule.run_at:
        message = f"The clock of {where.key} shows {clock} twice; it runs the first time ({_offset(meant)})."
        return [{"code": "dst_overlap", "message": message}]
    return []
