"""What an alert is about, by its sender's word and the rules of the policy; every choice keeps its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from tocsin.events.alerts import AlertReceived, Classification
from tocsin.events.vocabulary import SEVERITY_SYNONYMS, Severity
from tocsin.streams.domain.alert_policy import AlertsPolicy, ClassificationRule
from tocsin.streams.domain.matching import TAG, Fields, compared, rendered

UNRATED: Final[Severity] = "error"  # a sender that names no severity means that something is wrong
SENDER: Final = "sender"
DEFAULT: Final = "default"
_ASSIGNABLE: Final = ("service", "team", "environment")


class Classified(NamedTuple):
    severity: Severity
    service: str
    team: str
    environment: str
    reasons: tuple[Classification, ...]
    fields: dict[str, str]
    """The alert as grouping rules and silences see it: classified."""


def classify(event: AlertReceived, policy: AlertsPolicy) -> Classified:
    fields = _fields(event)
    matching = [(rule, seen) for rule in policy.classification if (seen := compared(rule.match, fields)) is not None]
    reasons = [_reason("severity", fields, matching)]
    severity = SEVERITY_SYNONYMS[reasons[0].value]
    chosen: dict[str, str] = {"severity": severity}
    for field in _ASSIGNABLE:
        reason = _reason(field, fields, matching)
        chosen[field] = reason.value
        if reason.value:
            reasons.append(reason)
    fields |= chosen
    return Classified(severity, chosen["service"], chosen["team"], chosen["environment"], tuple(reasons), fields)


def _fields(event: AlertReceived) -> dict[str, str]:
    return {
        "source": event.source,
        "title": event.title,
        "message": event.message,
        "fingerprint": event.fingerprint,
        "severity": event.severity or "",
        "service": event.service,
        "team": event.team,
        "environment": event.environment,
        **{TAG + name: value for name, value in event.tags.items()},
    }


_Matching = list[tuple[ClassificationRule, dict[str, str]]]


def _reason(field: str, fields: Fields, matching: _Matching) -> Classification:
    """Rules that override, the sender, rules that fill in, the default: the first that names a usable value."""
    for override in (True, False):
        if not override and (own := fields[field]):
            return Classification(field, own, SENDER)
        for value, rule, seen in _assigned(field, fields, matching, override=override):
            return Classification(field, value, rule, seen)
    return Classification(field, UNRATED if field == "severity" else "", DEFAULT)


def _assigned(
    field: str, fields: Fields, matching: _Matching, *, override: bool
) -> Iterator[tuple[str, str, dict[str, str]]]:
    for rule, seen in matching:
        if rule.override is override and (value := rendered(rule.assign.get(field, ""), fields)):
            if field != "severity":
                yield value, rule.name, seen
            elif severity := SEVERITY_SYNONYMS.get(value.lower()):
                yield severity, rule.name, seen
