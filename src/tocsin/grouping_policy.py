"""``GROUPING_CONFIG_PATH``: how alerts are classified and which become one incident (I2). Read, checked, normalised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tocsin.events.vocabulary import SEVERITY_SYNONYMS, AutoResolve
from tocsin.policies import Duration, read_policy

_FIELDS: Final = ("source", "title", "message", "severity", "service", "team", "environment", "fingerprint")
_FIELD: Final = re.compile(rf"(?:{'|'.join(_FIELDS)}|tag:[^{{}}]+)")
_RESERVED: Final = ("alone", "split")  # names of rules that need no file
_DAY_MS: Final = 86_400_000


def _field(name: str) -> str:
    if not _FIELD.fullmatch(name):
        raise ValueError(f"{name!r} is no field of an alert; there are {', '.join(_FIELDS)} and tag:<name>")
    return name


def _values(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _length(value: int | None) -> int:
    if value is None:
        raise ValueError("never makes no sense here")
    return value


AlertField = Annotated[str, AfterValidator(_field)]
Values = Annotated[list[str], BeforeValidator(_values), Field(min_length=1)]
Conditions = dict[AlertField, Values]
Length = Annotated[Duration, AfterValidator(_length)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Flapping(_Part):
    """``transitions`` within ``within`` make an alert flap; 0 = none ever does."""

    transitions: int = Field(6, ge=0, le=20)
    within: Annotated[Length, Field(le=_DAY_MS)] = Field(1_800_000)


class SourcePolicy(_Part):
    """What differs for alerts of one source."""

    resolve_after: Duration


class Rule(_Part):
    """``match``: each field has one of its values; ``unless``: no field has one of them. ``*`` and ``?`` are wild."""

    name: Name
    match: Conditions = {}
    unless: Conditions = {}

    def matchers(self) -> list[dict[str, Any]]:
        return [
            {"field": field, "values": values, "negated": negated}
            for conditions, negated in ((self.match, False), (self.unless, True))
            for field, values in conditions.items()
        ]


class ClassificationRule(Rule):
    """``set``: what the rule says of the alert; ``override``: even where the sender says otherwise."""

    set_: dict[Literal["severity", "service", "team", "environment"], str] = Field(alias="set", min_length=1)
    override: bool = False

    @model_validator(mode="after")
    def _severity_is_known(self) -> ClassificationRule:
        severity = self.set_.get("severity", "error")
        if "{" not in severity and severity.lower() not in SEVERITY_SYNONYMS:
            raise ValueError(f"severity {severity!r} is none of {', '.join(SEVERITY_SYNONYMS)}")
        return self

    def body(self) -> dict[str, Any]:
        return {"name": self.name, "match": self.matchers(), "assign": dict(self.set_), "override": self.override}


class GroupingRule(Rule):
    """See the packaged file for what each setting means."""

    group_by: list[AlertField] = Field(["fingerprint"], min_length=1)
    threshold: int = Field(1, ge=1, le=50)
    window: Length = Field(3_600_000)
    auto_resolve: AutoResolve = "all"
    reopen_within: Duration = Field(3_600_000)
    title: str = Field("{title}", min_length=1, max_length=200)
    incident: bool = True

    @model_validator(mode="after")
    def _name_is_free(self) -> GroupingRule:
        if self.name in _RESERVED:
            raise ValueError(f"the name {self.name} is taken")
        return self

    def body(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "match": self.matchers(),
            "group_by": self.group_by,
            "threshold": self.threshold,
            "window_ms": self.window,
            "auto_resolve": self.auto_resolve,
            "reopen_within_ms": self.reopen_within,
            "title": self.title,
            "incident": self.incident,
        }


BY_SERVICE: Final = GroupingRule.model_validate(
    {
        "name": "by-service",
        "match": {"service": "?*"},
        "group_by": ["service", "environment"],
        "title": "{service}: {title}",
    }
)


class GroupingPolicyFile(_Part):
    """The whole file; an empty one is the packaged default."""

    resolve_after: Duration = None
    sources: dict[str, SourcePolicy] = {}
    flapping: Flapping = Flapping()
    classification: list[ClassificationRule] = Field([], max_length=200)
    services: dict[str, str] = {}
    grouping: list[GroupingRule] = Field([BY_SERVICE], max_length=200)

    @model_validator(mode="after")
    def _consistent(self) -> GroupingPolicyFile:
        for rules in (self.classification, self.grouping):
            names = [rule.name for rule in rules]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"two rules are called {', '.join(twice)}")
        if circle := _circle(self.services):
            raise ValueError(f"the services are part of each other: {' → '.join(circle)}")
        return self

    def body(self) -> dict[str, Any]:
        """The policy as the decide stage reads it; milliseconds, null = never."""
        return {
            "resolve_after_ms": self.resolve_after,
            "sources": {name: self.sources[name].resolve_after for name in sorted(self.sources)},
            "flapping": {"transitions": self.flapping.transitions, "within_ms": self.flapping.within},
            "classification": [rule.body() for rule in self.classification],
            "grouping": [rule.body() for rule in self.grouping],
            "services": {name: self.services[name] for name in sorted(self.services)},
        }


def _circle(services: Mapping[str, str]) -> list[str]:
    for start in services:
        way = [start]
        while (above := services.get(way[-1])) is not None:
            if above in way:
                return [*way, above]
            way.append(above)
    return []


def read_grouping_policy(path: Path) -> dict[str, Any]:
    """The normalised body of the file. Raises PolicyError when it is missing, unreadable or wrong."""
    return read_policy(path, GroupingPolicyFile)
