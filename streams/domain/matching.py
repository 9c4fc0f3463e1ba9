"""Conditions over the fields of an alert: matchers of rules and silences, and texts made of fields."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Mapping
from typing import Final

from tocsin.events.alerts import Matcher

TAG: Final = "tag:"
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+(?::[^{}]+)?)\}")

Fields = Mapping[str, str]
"""An alert as rules see it: its fields by name, its tags as ``tag:<name>``."""


def compared(matchers: Iterable[Matcher], fields: Fields) -> dict[str, str] | None:
    """The values that were compared when all matchers hold, else None. No matchers hold always."""
    seen: dict[str, str] = {}
    for matcher in matchers:
        value = seen[matcher.field] = fields.get(matcher.field, "")
        if any(_holds(pattern, value) for pattern in matcher.values) is matcher.negated:
            return None
    return seen


def _holds(pattern: str, value: str) -> bool:
    if "*" in pattern or "?" in pattern:
        return _glob(pattern.casefold()).match(value.casefold()) is not None
    return pattern.casefold() == value.casefold()


@functools.lru_cache(512)
def _glob(pattern: str) -> re.Pattern[str]:
    # translate() makes atomic groups of the stars, so no text makes it slow; a bracket is a letter like any other
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def rendered(template: str, fields: Fields) -> str:
    """The text with ``{field}`` and ``{tag:name}`` replaced by their values; unknown ones become empty."""
    return " ".join(_PLACEHOLDER.sub(lambda found: fields.get(found[1], ""), template).split())
