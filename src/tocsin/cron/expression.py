"""A cron expression as a value: what each field allows. How it is written is the matter of parsing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

FieldName = Literal["second", "minute", "hour", "day_of_month", "month", "day_of_week", "year"]
CronFormat = Literal["standard", "seconds-first", "seconds-last", "year-last"]

_STANDARD: Final[tuple[FieldName, ...]] = ("minute", "hour", "day_of_month", "month", "day_of_week")
FORMATS: Final[dict[CronFormat, tuple[FieldName, ...]]] = {
    "standard": _STANDARD,
    "seconds-first": ("second", *_STANDARD),
    "seconds-last": (*_STANDARD, "second"),
    "year-last": (*_STANDARD, "year"),
}
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2199
"""Nothing fires after it; the years are those of the year field."""


@dataclass(frozen=True, slots=True)
class Field:
    """The text of one field in capitals, and the values it allows, ascending."""

    text: str
    values: tuple[int, ...]

    @property
    def starred(self) -> bool:
        """Whether it begins with ``*``, which decides how days combine and what a clock change does."""
        return self.text.startswith(("*", "?"))


@dataclass(frozen=True, slots=True)
class DayOfMonth(Field):
    last: bool = False
    last_weekday: bool = False
    nearest_weekday: tuple[int, ...] = ()
    """``15W``: Monday to Friday nearest to the 15th, within the month."""


@dataclass(frozen=True, slots=True)
class DayOfWeek(Field):
    """Values are 0 (Sunday) to 6."""

    nth: tuple[tuple[int, int], ...] = ()
    """``5#2``: (weekday, which of the month)."""
    last: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CronExpression:
    text: str
    """As written, blanks made one."""
    cron_format: CronFormat
    second: Field
    minute: Field
    hour: Field
    day_of_month: DayOfMonth
    month: Field
    day_of_week: DayOfWeek
    year: Field

    @property
    def wildcard(self) -> bool:
        """Runs by elapsed time through a clock change. Other jobs are fixed: they run at times of the clock."""
        return self.minute.starred or self.hour.starred

    @property
    def either_day(self) -> bool:
        """One of the two day fields is enough. If one begins with ``*``, both must match."""
        return not (self.day_of_month.starred or self.day_of_week.starred)
