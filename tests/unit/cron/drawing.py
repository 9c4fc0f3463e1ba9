"""Random expressions that know what they mean: each field is drawn as text together with the values it stands for, so
that nothing here depends on the parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from random import Random

NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAY = timedelta(days=1)

DayMatch = Callable[[date], bool]


@dataclass(frozen=True)
class Drawn:
    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    day: DayMatch
    wildcard: bool


def drawn(random: Random, near: date) -> Drawn:
    """An expression likely to run on the days around ``near`` and in the hours in which clocks are changed."""
    minute, minutes = _numbers(random, range(60), [0, 1, 15, 29, 30, 31, 45, 59])
    hour, hours = _numbers(random, range(24), [0, 0, 1, 1, 2, 2, 3, 4, 22, 23, 23])
    of_month, in_month = _month(random, near)
    date_text, by_date = _by_date(random, near)
    weekday_text, by_weekday = _by_weekday(random, near)
    both = date_text[0] in "*?" or weekday_text[0] in "*?"

    @cache
    def day(one: date) -> bool:
        found = (by_date(one), by_weekday(one))
        return in_month(one) and (all(found) if both else any(found))

    text = f"{minute} {hour} {date_text} {of_month} {weekday_text}"
    return Drawn(text, frozenset(minutes), frozenset(hours), day, minute[0] == "*" or hour[0] == "*")


FORMS = ("*", "*/n", "a", "a", "a", "a-b", "a-b/n", "a/n", "*,a")


def _numbers(random: Random, whole: range, liked: list[int]) -> tuple[str, set[int]]:
    if random.random() < 0.8:
        return _item(random, whole, liked)
    parts = [_item(random, whole, liked) for _ in range(random.randint(2, 4))]
    parts.sort(key=lambda part: part[0][0] == "*")  # a star that is not the first item does not make a wildcard
    return ",".join(text for text, _ in parts), set().union(*(values for _, values in parts))


def _item(random: Random, whole: range, liked: list[int]) -> tuple[str, set[int]]:
    form = random.choice(FORMS)
    first, other, step = random.choice(liked), random.choice(liked), random.choice([1, 2, 3, 5, 7, 15, 30])
    first, last = sorted((first, other)) if "-" in form else (first, other)
    meanings = {
        "*": ("*", whole),
        "*/n": (f"*/{step}", whole[::step]),
        "a": (f"{first}", [first]),
        "a-b": (f"{first}-{last}", range(first, last + 1)),
        "a-b/n": (f"{first}-{last}/{step}", range(first, last + 1, step)),
        "a/n": (f"{first}/{step}", range(first, whole[-1] + 1, step)),
        "*,a": (f"*,{first}", whole),
    }
    text, values = meanings[form]
    return text, set(values)


def _month(random: Random, near: date) -> tuple[str, DayMatch]:
    if random.random() < 0.7:
        return "*", lambda one: True
    if random.random() < 0.5:
        return MONTHS[near.month - 1].title(), lambda one: one.month == near.month
    return f"{near.month}/3", lambda one: one.month in range(near.month, 13, 3)


def _by_date(random: Random, near: date) -> tuple[str, DayMatch]:
    about = near + random.randint(-1, 1) * DAY
    number = about.day if about.month == near.month else near.day  # in a month with that day
    other = random.randint(1, 31)
    return random.choice(
        [
            *[("*", lambda one: True)] * 6,
            ("?", lambda one: True),
            ("*/2", lambda one: one.day % 2 == 1),
            (f"{number}", lambda one: one.day == number),
            (f"{number},{other}", lambda one: one.day in (number, other)),
            (f"{number}/2", lambda one: one.day in range(number, 32, 2)),
            ("L", lambda one: (one + DAY).month != one.month),
            ("LW", lambda one: one == max(_weekdays(one))),
            (f"{number}W,{other}", lambda one: one.day == other or one == _nearest(one, number)),
        ]
    )


def _by_weekday(random: Random, near: date) -> tuple[str, DayMatch]:
    number = (near + random.randint(-1, 1) * DAY).isoweekday() % 7
    which = (near.day - 1) // 7 + 1
    return random.choice(
        [
            *[("*", lambda one: True)] * 6,
            ("?", lambda one: True),
            ("*/2", lambda one: one.isoweekday() % 7 in (0, 2, 4, 6)),
            (f"{number or 7}", lambda one: one.isoweekday() % 7 == number),
            (f"{number}-7", lambda one: one.isoweekday() >= number),
            (f"{NAMES[number].lower()},3", lambda one: one.isoweekday() % 7 in (number, 3)),
            (f"{NAMES[number]}#{which}", lambda one: one.isoweekday() % 7 == number and (one.day + 6) // 7 == which),
            (f"{number}L", lambda one: one.isoweekday() % 7 == number and (one + 7 * DAY).month != one.month),
        ]
    )


def _weekdays(one: date) -> Iterator[date]:
    """Monday to Friday of the month."""
    day = one.replace(day=1)
    while day.month == one.month:
        if day.isoweekday() < 6:
            yield day
        day += DAY


def _nearest(one: date, number: int) -> date | None:
    try:
        wanted = one.replace(day=number)
    except ValueError:
        return None
    return min(_weekdays(one), key=lambda day: abs(day - wanted))
