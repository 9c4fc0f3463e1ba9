"""One field of an expression, from its text: lists, ranges, steps, names, and the letters of the day fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin.cron.errors import CronError
from tocsin.cron.expression import FIRST_YEAR, LAST_YEAR, DayOfMonth, DayOfWeek, Field, FieldName

MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FORMS: Final = ("*", "a", "a-b", "*/n", "a-b/n", "a/n", "a,b")


@dataclass(frozen=True, slots=True)
class Spec:
    """What a field may hold."""

    name: FieldName
    lowest: int
    highest: int
    names: Mapping[str, int] = field(default_factory=dict)
    letters: Sequence[str] = ()

    @property
    def range(self) -> list[str]:
        named = list(self.names)
        return [f"{self.lowest}-{self.highest}", *([f"{named[0]}-{named[-1]}"] if named else [])]

    @property
    def forms(self) -> list[str]:
        return [*self.range, *_FORMS, *self.letters]

    def error(self, code: str, message: str, allowed: Sequence[str] | None = None) -> CronError:
        return CronError(self.name, code, f"{self.name}: {message}", allowed)


SPECS: Final[dict[FieldName, Spec]] = {
    spec.name: spec
    for spec in (
        Spec("second", 0, 59),
        Spec("minute", 0, 59),
        Spec("hour", 0, 23),
        Spec("day_of_month", 1, 31, letters=("?", "L", "LW", "15W")),
        Spec("month", 1, 12, {name: number for number, name in enumerate(MONTHS, 1)}),
        Spec("day_of_week", 0, 7, {name: number for number, name in enumerate(WEEKDAYS)}, ("?", "5#2", "5L")),
        Spec("year", FIRST_YEAR, LAST_YEAR),
    )
}
_NEAREST: Final = re.compile(r"(\d+)W")
_NTH: Final = re.compile(r"([^#]*)#(.*)")
_LAST_OF: Final = re.compile(r"(\w+)L")


def plain_field(name: FieldName, text: str) -> Field:
    spec = SPECS[name]
    return Field(text, _sorted(value for item in _split(spec, text) for value in _values(spec, item)))


def day_of_month(text: str) -> DayOfMonth:
    spec = SPECS["day_of_month"]
    values: set[int] = set()
    nearest: set[int] = set()
    items = _split(spec, text)
    for item in items:
        if found := _NEAREST.fullmatch(item):
            nearest.add(_number(spec, found[1]))
        elif item not in ("L", "LW"):
            values.update(_values(spec, item))
    return DayOfMonth(text, _sorted(values), "L" in items, "LW" in items, _sorted(nearest))


def day_of_week(text: str) -> DayOfWeek:
    spec = SPECS["day_of_week"]
    values: set[int] = set()
    nth: set[tuple[int, int]] = set()
    last: set[int] = set()
    for item in _split(spec, text):
        if found := _NTH.fullmatch(item):
            nth.add((_number(spec, found[1]) % 7, _which(spec, found[2])))
        elif found := _LAST_OF.fullmatch(item):
            last.add(_number(spec, found[1]) % 7)
        else:
            values.update(value % 7 for value in _values(spec, item))
    return DayOfWeek(text, _sorted(values), tuple(sorted(nth)), _sorted(last))


def _sorted(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(values)))


def _split(spec: Spec, text: str) -> list[str]:
    items = text.split(",")
    if "" in items:
        raise spec.error("empty_item", f"{text!r} has an empty item; remove the comma that is too many")
    if "?" in items and len(items) > 1:
        raise spec.error("question_mark", "? stands alone: it means that the other day field decides", spec.forms)
    return items


def _values(spec: Spec, item: str) -> range:
    """The numbers of ``*``, ``a``, ``a-b`` and each with ``/n``; ``a/n`` goes up to the highest value."""
    base, slash, step_text = item.partition("/")
    step = _step(spec, item, step_text) if slash else 1
    if base == "*":
        return range(spec.lowest, spec.highest + 1, step)
    if base == "?":
        return _question_mark(spec, slash)
    first_text, dash, last_text = base.partition("-")
    if dash and not (first_text and last_text):
        raise spec.error(
            "invalid", f"{item!r} is a range without its {'end' if first_text else 'beginning'}", spec.forms
        )
    first = _number(spec, first_text)
    last = _number(spec, last_text) if dash else spec.highest if slash else first
    if last < first:
        raise spec.error("reversed_range", f"{base} runs backwards; {_in_order(spec, first, last)}", spec.range)
    return range(first, last + 1, step)


def _question_mark(spec: Spec, slash: str) -> range:
    if "?" not in spec.letters:
        raise spec.error("question_mark", "? is only understood in day_of_month and day_of_week", spec.forms)
    if slash:
        raise spec.error("question_mark", "? takes no step; write *", spec.forms)
    return range(spec.lowest, spec.highest + 1)


def _in_order(spec: Spec, first: int, last: int) -> str:
    if spec.name == "day_of_week" and last == 0:
        return f"write {first}-7: Sunday is 7 too"
    before = f"{spec.lowest}-{last}" if last > spec.lowest else str(last)
    after = f"{first}-{spec.highest}" if first < spec.highest else str(first)
    return f"write {after},{before}"


def _step(spec: Spec, item: str, text: str) -> int:
    if not text.isdigit():
        raise spec.error("invalid", f"the step of {item!r} is not a number", spec.forms)
    if not int(text):
        raise spec.error("zero_step", f"the step of {item!r} is 0; it must be 1 or more", ["1 or more"])
    return int(text)


def _which(spec: Spec, text: str) -> int:
    if text not in ("1", "2", "3", "4", "5"):
        raise spec.error("out_of_range", f"{text!r} after # must be 1 to 5: which one of the month", ["1-5"])
    return int(text)


def _number(spec: Spec, text: str) -> int:
    if text in spec.names:
        return spec.names[text]
    if not text.isdigit():
        raise spec.error("invalid", _not_understood(spec, text), spec.forms)
    number = int(text)
    if not spec.lowest <= number <= spec.highest:
        raise spec.error("out_of_range", f"{text} is not in {spec.lowest}-{spec.highest}", spec.range)
    return number


def _not_understood(spec: Spec, text: str) -> str:
    if text == "L" and spec.letters:
        weekday = " and needs a weekday before it: 5L is the last Friday" if spec.names else ""
        return f"L takes no range, step or offset{weekday}"
    if text in MONTHS or text in WEEKDAYS:
        return f"{text} belongs into {'month' if text in MONTHS else 'day_of_week'}"
    return f"{text!r} is not understood"
