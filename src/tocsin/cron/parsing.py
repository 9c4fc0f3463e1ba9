"""Text to expression. What is accepted is listed in docs/howto/cron.md; everything else is refused by name."""

from __future__ import annotations

import functools
import re
from typing import Final

from tocsin.cron.days import has_a_day
from tocsin.cron.errors import CronError
from tocsin.cron.expression import FORMATS, CronExpression, CronFormat, Field, FieldName
from tocsin.cron.items import day_of_month, day_of_week, plain_field

MAX_LENGTH: Final = 256
NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DEFAULTS: Final[dict[FieldName, str]] = {"second": "0", "year": "*"}
_ZONE: Final = re.compile(r"(CRON_TZ|TZ)\s*=", re.IGNORECASE)
_WRAPPED: Final = re.compile(r"(cron|rate|at)\s*\(", re.IGNORECASE)


def parse(text: str, cron_format: str | None = None) -> CronExpression:
    """The expression of the text; without a format it has the five fields of crontab.

    Raises CronError that names the field. Every expression returned has at least one day on which it runs,
    though with a year field that day may be past.
    """
    if len(text) > MAX_LENGTH:
        raise CronError("cron", "too_long", f"the expression has {len(text)} characters, {MAX_LENGTH} are allowed")
    return _parse(text, cron_format)


@functools.lru_cache(1024)
def _parse(text: str, cron_format: str | None) -> CronExpression:
    chosen = _format(cron_format)
    parts = _parts(text)
    if parts[0].startswith("@"):
        return _expression(parts[0].lower(), "standard", _nickname(parts).split())
    _check_count(parts, chosen, named=cron_format is not None)
    return _expression(" ".join(parts), chosen, parts)


def _format(name: str | None) -> CronFormat:
    if name is None:
        return "standard"
    if name not in FORMATS:
        raise CronError("cron_format", "enum", f"cron_format must be one of {', '.join(FORMATS)}", list(FORMATS))
    return name


def _parts(text: str) -> list[str]:
    if not text.isascii():
        wrong = next(character for character in text if not character.isascii())
        message = f"the expression has the character {wrong!r} (U+{ord(wrong):04X}); digits and names are ASCII"
        raise CronError("cron", "not_ascii", message)
    if wrong := next((character for character in text if not character.isprintable() and character != "\t"), ""):
        raise CronError("cron", "control_character", f"the expression has the character {wrong!r}; it is one line")
    if not (parts := text.split()):
        raise CronError("cron", "missing", "the expression is empty")
    if _ZONE.match(text.strip()):
        raise CronError("cron", "zone_in_text", f"give the zone as timezone, not in the text ({parts[0]})")
    if _WRAPPED.match(text.strip()):
        raise CronError("cron", "wrapped", "write the fields alone, without cron( ), rate( ) or at( ) around them")
    return parts


def _nickname(parts: list[str]) -> str:
    name = parts[0].lower()
    if name == "@reboot":
        raise CronError("cron", "reboot", "@reboot has no time: jobs here do not start with a machine", list(NICKNAMES))
    if name not in NICKNAMES or len(parts) > 1:
        shown = " ".join(parts)
        raise CronError("cron", "unknown_nickname", f"{shown!r} is not known", list(NICKNAMES))
    return NICKNAMES[name]


def _check_count(parts: list[str], chosen: CronFormat, *, named: bool) -> None:
    names = FORMATS[chosen]
    if len(parts) == len(names):
        return
    if len(parts) == 6 and not named:
        message = "six fields: systems disagree on where seconds or the year stand; say it with cron_format"
        raise CronError("cron", "six_fields", message, [name for name, fields in FORMATS.items() if len(fields) == 6])
    message = f"the expression has {len(parts)} fields, {chosen} has {len(names)}: {' '.join(names)}"
    raise CronError("cron", "field_count", message, [" ".join(names)])


def _expression(text: str, cron_format: CronFormat, parts: list[str]) -> CronExpression:
    written = _DEFAULTS | dict(zip(FORMATS[cron_format], (part.upper() for part in parts), strict=True))

    def plain(name: FieldName) -> Field:
        return plain_field(name, written[name])

    found = CronExpression(
        text=text,
        cron_format=cron_format,
        second=plain("second"),
        minute=plain("minute"),
        hour=plain("hour"),
        day_of_month=day_of_month(written["day_of_month"]),
        month=plain("month"),
        day_of_week=day_of_week(written["day_of_week"]),
        year=plain("year"),
    )
    if not has_a_day(found):
        message = f"{found.text!r} never runs: no such day exists in any year it allows"
        raise CronError("day_of_month", "never_fires", message)
    return found
