"""Cron expressions and their slots in any time zone: pure, exact through clock changes, in UTC.

Store the text and the zone, keep slots as a cache: they are recomputed when ``tzdata_version()`` changes.
"""

from tocsin.cron.advice import CronWarning, warnings
from tocsin.cron.errors import CronError, ScheduleError, ZoneError
from tocsin.cron.expression import FORMATS, CronExpression, CronFormat
from tocsin.cron.parsing import NICKNAMES, parse
from tocsin.cron.slots import DST_POLICIES, DstPolicy, next_after, slots_between
from tocsin.cron.words import describe
from tocsin.cron.zones import tzdata_version, zone

__all__ = [
    "DST_POLICIES",
    "FORMATS",
    "NICKNAMES",
    "CronError",
    "CronExpression",
    "CronFormat",
    "CronWarning",
    "DstPolicy",
    "ScheduleError",
    "ZoneError",
    "describe",
    "next_after",
    "parse",
    "slots_between",
    "tzdata_version",
    "warnings",
    "zone",
]
