"""The scenario as values: ``scenario.yaml``, read strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Final, Literal

import msgspec
import yaml

from tocsin.events.vocabulary import IncidentStatus, Severity

Sender = Literal["alertmanager", "datadog", "sentry-issue", "sentry-metric"]
Word = Literal["triggered", "warned", "repeated", "acknowledged", "resolved"]
Words = Mapping[int, Word]
"""What the sender says, by minutes since the story began."""


class Alert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One alert, or for Alertmanager the instances of one. Without a severity Datadog's own words tell it."""

    sender: Sender
    service: str
    environment: str
    title: str
    message: str
    severity: Severity | None = None
    team: str = ""
    metric: str = ""
    host: str = ""
    culprit: str = ""
    words: Words = {}
    instances: Mapping[str, Words] = {}

    @property
    def group(self) -> tuple[str, str]:
        """Service and environment, by which the packaged grouping rules make incidents."""
        return self.service, self.environment


class Deed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody does about the newest incident of a service. ``to``: who is assigned."""

    actor: str
    does: Literal["acknowledge", "assign"] | IncidentStatus
    service: str
    environment: str
    to: str = ""
    reason: str = ""

    @property
    def group(self) -> tuple[str, str]:
        return self.service, self.environment


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alerts: Sequence[Alert]
    people: Sequence[Deed]

    @property
    def minutes(self) -> int:
        """How long it lasts."""
        return max(max(words) for alert in self.alerts for words in (alert.words, *alert.instances.values()) if words)


def scenario(seed: int) -> Scenario:
    """The scenario as ``seed`` tells it: seed 1 as written, every other about services of its own."""
    text = resources.files(__package__).joinpath("scenario.yaml").read_text()
    return _renamed(msgspec.convert(yaml.safe_load(text), Scenario), "" if seed == _AS_WRITTEN else f"-{seed}")


_AS_WRITTEN: Final = 1


def _renamed(found: Scenario, suffix: str) -> Scenario:
    return Scenario(
        [msgspec.structs.replace(alert, service=alert.service + suffix) for alert in found.alerts],
        [msgspec.structs.replace(deed, service=deed.service + suffix) for deed in found.people],
    )
