"""When a job runs, as a body says it: ``cron`` or ``run_at``, read together with zone and format. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from tocsin.cron import CronError, CronExpression, DstPolicy, next_after, parse, zone
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.ingest.job_fields import CRON_FORMATS, Wrong, one_of, wrong
from tocsin.problems import FieldError

FIELDS: Final = ("cron", "cron_format", "run_at")
_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(?P<offset>[Zz]|[+-]\d\d(:?\d\d)?)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """One of the two. ``local``: ``run_at`` as it was written, when it was written without an offset."""

    expression: CronExpression | None = None
    run_at: datetime | None = None
    local: datetime | None = None
    cron_format: str = ""

    def columns(self) -> dict[str, Any]:
        """The fields of a spec, both ways of scheduling among them: setting one ends the other."""
        if self.expression is not None:
            return {"cron": self.expression.text, "cron_format": self.cron_format, "run_at": ""}
        assert self.run_at is not None  # noqa: S101 - one of the two
        return {"cron": "", "cron_format": "", "run_at": rfc3339(round_down_ms(self.run_at))}


def read(
    given: Mapping[str, Any], timezone: str | None, dst: DstPolicy, now: datetime, *, needed: bool
) -> tuple[Schedule | None, list[FieldError]]:
    """``given``: the members named in FIELDS that are not null. timezone: None when it is not told, or wrong.

    Returns what could be read and every field that is wrong. ``needed``: one of cron and run_at must be there.
    """
    errors = _combined(given, needed=needed)
    if errors or not {"cron", "run_at"} & given.keys():
        return None, errors
    try:
        return (_cron(given, timezone, dst, now) if "cron" in given else _run_at(given["run_at"], timezone, now)), []
    except Wrong as error:
        return None, list(error.errors)


def _combined(given: Mapping[str, Any], *, needed: bool) -> list[FieldError]:
    if {"cron", "run_at"} <= given.keys():
        return [FieldError("run_at", "exclusive", "cron and run_at exclude each other; give one of them")]
    if needed and not {"cron", "run_at"} & given.keys():
        return [FieldError("cron", "missing", "cron or run_at is needed")]
    if "cron_format" in given and "cron" not in given:
        return [FieldError("cron_format", "without_cron", "cron_format says how cron is written; give both")]
    return []


# --- cron -----------------------------------------------------------------------------------------------------------


def _cron(given: Mapping[str, Any], timezone: str | None, dst: DstPolicy, now: datetime) -> Schedule:
    text, cron_format = given["cron"], _format(given)
    if not isinstance(text, str):
        raise wrong("type", "text is needed, such as 0 9 * * MON-FRI", at="cron")
    try:
        expression = parse(text, cron_format)
    except CronError as error:
        raise _named(error) from None
    # without a word about the zone any will do: only a year field can have passed, and zones differ by hours
    if next_after(expression, zone(timezone or "UTC"), now, dst) is None:
        raise wrong("never_fires", f"{expression.text!r} never runs again: its last time is past", at="cron")
    return Schedule(expression, cron_format=cron_format or "")


def _format(given: Mapping[str, Any]) -> str | None:
    if "cron_format" not in given:
        return None
    try:
        return str(one_of(*CRON_FORMATS)(given["cron_format"]))
    except Wrong as error:
        inner = error.errors[0]
        raise wrong(inner.code, inner.message, inner.allowed, at="cron_format") from None


def _named(error: CronError) -> Wrong:
    """The field of the body is ``cron``; which field of the expression it is, code and message say."""
    if error.field in ("cron", "cron_format"):
        return wrong(error.code, error.message, error.allowed, at=error.field)
    message = error.message if error.message.startswith(error.field) else f"{error.field}: {error.message}"
    return wrong(f"{error.field}.{error.code}", message, error.allowed, at="cron")


# --- run_at ---------------------------------------------------------------------------------------------------------


def _run_at(value: Any, timezone: str | None, now: datetime) -> Schedule:
    """With an offset it is that instant. Without one it is what the clock of ``timezone`` shows: a time that is
    skipped is later by the gap, one that is repeated is the first. Below milliseconds it is cut."""
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _no_moment()
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        if moment.tzinfo is None:
            return _local(moment, timezone, now)
        return Schedule(run_at=_coming(moment.astimezone(UTC), now))
    except (ValueError, OverflowError) as error:
        if isinstance(error, Wrong):
            raise
        raise _no_moment() from None


def _local(moment: datetime, timezone: str | None, now: datetime) -> Schedule:
    if timezone is None:
        raise wrong("offset_missing", "the time has no offset; add Z or +hh:mm, or give timezone", at="run_at")
    chosen: ZoneInfo = zone(timezone)
    return Schedule(run_at=_coming(moment.replace(tzinfo=chosen, fold=0).astimezone(UTC), now), local=moment)


def _coming(moment: datetime, now: datetime) -> datetime:
    if moment <= now:
        raise wrong("past", f"{rfc3339(round_down_ms(moment))} is past", at="run_at")
    return moment


def _no_moment() -> Wrong:
    return wrong("date_time", "an ISO 8601 date and time is needed, such as 2026-11-20T22:13:20Z", at="run_at")
