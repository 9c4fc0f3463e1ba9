"""Contracts of the alerts domain: what comes in (events) and what was decided (facts), version 1 of each."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tocsin.events.commands import (
    CommandRefused,
    CommandUnchanged,
    DeliveryIgnored,
    Fact,
    PolicyActivated,
    PolicyApplied,
    TimerDue,
)
from tocsin.events.vocabulary import AlertStatus, AlertTransition, AutoResolve, Severity

DOMAIN: Final = "alerts"
# One object for every "no context": msgspec leaves a default out by identity, and an empty Raw is not JSON.
NO_CONTEXT: Final = msgspec.Raw(b"")


# --- events ---------------------------------------------------------------------------------------------------------


class AlertReceived(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A monitoring system says something about one alert. Times are RFC 3339 UTC with milliseconds.

    fingerprint: the alert's identity within the workspace, readable (``sentry:issue:123``); ``fingerprint_rule`` names
    how it was found and ``fingerprint_fields`` the sender's fields and values it was made of.
    episode: the sender's own name of one trigger-to-resolve cycle, when it has one (Alertmanager's startsAt, Datadog's
    alert cycle key); the same episode again is a repeat, not another occurrence.
    occurred_at: when it happened at the sender; decisions about order go by it.
    severity, service, team, environment: as far as the sender names them; classification rules fill in the rest.
    context: the sender's own payload, kept verbatim; over 4 KiB it travels once through the payloads topic and only its
    SHA-256 (``context_digest``) is here.
    verified_by: which secret matched: ``first``, ``second``, ``api_key``, ``certificate``, or ``open`` for none asked.
    """

    source: str
    fingerprint: str
    fingerprint_rule: str
    fingerprint_fields: dict[str, str]
    transition: AlertTransition
    occurred_at: str
    title: str
    message: str = ""
    episode: str = ""
    severity: Severity | None = None
    service: str = ""
    team: str = ""
    environment: str = ""
    tags: dict[str, str] = {}
    url: str = ""
    context: msgspec.Raw = NO_CONTEXT
    context_digest: str = ""
    verified_by: str = ""


class Matcher(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Holds when the field has one of the values (``*`` and ``?`` stand for any text, letter case does not count).

    field: ``source, title, message, severity, service, team, environment, fingerprint`` or ``tag:<name>``.
    """

    field: str
    values: tuple[str, ...]
    negated: bool = False


class Recurrence(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A window that comes again. start: ``HH:MM`` by the clock of ``timezone`` (IANA name).

    weekdays: on which it starts, 0 = Monday; empty = every day. duration_ms: elapsed time, also across a DST change.
    """

    start: str
    duration_ms: int
    timezone: str
    weekdays: tuple[int, ...] = ()


class Silence(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Alerts that meet all matchers raise no incident while it lasts: once, or in recurring maintenance windows.

    starts_at, ends_at: RFC 3339 UTC; a recurring one may have no end, its windows count between the two.
    """

    silence_id: str
    matchers: tuple[Matcher, ...]
    starts_at: str
    ends_at: str = ""
    recurrence: Recurrence | None = None
    reason: str = ""
    created_by: str = ""


class SilenceRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Published to every partition, since every partition has alerts; the one with ``recorded`` answers with a fact."""

    silence: Silence
    recorded: bool = False


class SilenceEndRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Published to every partition, as SilenceRequested."""

    silence_id: str
    actor: str
    recorded: bool = False


# --- facts ----------------------------------------------------------------------------------------------------------


class AlertFact(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A fact about one alert: an episode of a fingerprint, ``a_<hash>-<n>``."""

    alert_id: str


class LatestWord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What the newest trigger said; replaces what the alert showed before."""

    title: str
    severity: Severity
    message: str = ""
    service: str = ""
    team: str = ""
    environment: str = ""
    tags: dict[str, str] = {}
    url: str = ""
    context: msgspec.Raw = NO_CONTEXT
    context_digest: str = ""
    verified_by: str = ""


class Classification(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Why a field of an alert has its value: the rule that set it (``sender`` = its own word, ``default`` = no rule
    spoke) and the alert's values that rule compared."""

    field: str
    value: str
    rule: str
    compared: dict[str, str] = {}


class Grouping(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The terms under which an alert belongs to an incident, as the grouping rule had them when the alert opened.

    incident_entity: ``i_<hash>`` of rule and group. group: the fields of ``group_by`` and their values.
    threshold: so many distinct alerts within ``window_ms`` open the incident.
    reopen_within_ms: a new alert re-opens an incident resolved less than this ago; None = never.
    title: of the incident, if this alert opens it. compared: the alert's values the rule matched on.
    """

    rule: str
    incident_entity: str
    group: dict[str, str]
    title: str
    threshold: int = 1
    window_ms: int = 0
    auto_resolve: AutoResolve = "all"
    reopen_within_ms: int | None = None
    compared: dict[str, str] = {}


class AlertSummary(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What an incident is told of one alert."""

    alert_id: str
    source: str
    title: str
    severity: Severity
    started_at: str
    service: str = ""
    team: str = ""
    environment: str = ""


class AlertOpened(AlertFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A new episode. ``started_at`` is the sender's time, ``sender_episode`` the sender's name of the episode.

    classification: why ``latest`` has its severity, service, team and environment.
    grouping: None when no incident follows. suppressed_by: silences that keep it from its incident for now.
    """

    episode: int
    source: str
    fingerprint: str
    fingerprint_rule: str
    fingerprint_fields: dict[str, str]
    started_at: str
    latest: LatestWord
    sender_episode: str = ""
    status: AlertStatus = "firing"
    occurrences: int = 1
    deliveries: int = 1
    previous_alert_id: str = ""
    classification: tuple[Classification, ...] = ()
    grouping: Grouping | None = None
    flapping: bool = False
    suppressed_by: tuple[str, ...] = ()


class AlertRepeated(AlertFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The same again. ``occurrences`` and ``deliveries`` are the totals afterwards, ``*_added`` what this adds.

    A renotification, a sender's retry and a word that came too late add a delivery only; ``latest`` is then absent.
    """

    occurrences: int
    deliveries: int
    occurrences_added: int
    deliveries_added: int
    last_seen_at: str
    latest: LatestWord | None = None


class AlertSeverityChanged(AlertFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Beside the AlertRepeated that says so. ``incident_entity``: the incident to be told, empty when it knows nothing
    of the alert."""

    from_severity: Severity
    severity: Severity
    classification: tuple[Classification, ...] = ()
    incident_entity: str = ""


class AlertAcknowledged(AlertFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Somebody has taken it on at the sender's."""

    deliveries: int
    status: AlertStatus = "acknowledged"


class AlertResolved(AlertFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Over: ``resolved_at`` is the sender's time, or that of the timeout. The cause's rule says by what.

    over_until: a trigger not later than this, by the sender's time, is over as well.
    incident_entity: the incident to be told; empty when it knows nothing of the alert, and while the alert flaps.
    """

    resolved_at: str
    deliveries: int
    status: AlertStatus = "resolved"
    over_until: str = ""
    sender_episode: str = ""
    incident_entity: str = ""


class ResolutionRemembered(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A resolution that ends nothing now: its trigger has not come yet, is newer, or is over already.

    A trigger of the same episode, or not later than ``resolved_at``, will be over already when it comes.
    deliveries: how many words wait for their alert to be counted on; 0 when one is there (AlertRepeated counts it).
    """

    resolved_at: str
    sender_episode: str = ""
    deliveries: int = 0


class FlappingChanged(AlertFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An alert began to flap: its incident hears nothing more of its ups and downs. Or it stopped, and the incident
    hears where it stands: ``raised`` when it fires, else ``incident_entity`` is told that it is cleared."""

    flapping: bool
    status: AlertStatus
    transitions: int
    raised: AlertSummary | None = None
    grouping: Grouping | None = None
    incident_entity: str = ""


class SuppressionChanged(AlertFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Silences of a firing alert ended. When none is left (``suppressed_by`` empty), its incident is told."""

    suppressed_by: tuple[str, ...] = ()
    raised: AlertSummary | None = None
    grouping: Grouping | None = None
    flapping: bool = False


class SilenceCreated(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Also with the same id again: the newer one counts."""

    silence: Silence


class SilenceEnded(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    silence_id: str
    actor: str


class AlertWordIgnored(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An acknowledgement of an alert nobody has heard of."""


EVENTS: Final[dict[str, type[Any]]] = {
    f"tocsin.alerts.{cls.__name__}.v1": cls
    for cls in (AlertReceived, SilenceRequested, SilenceEndRequested, TimerDue, PolicyActivated)
}
FACTS: Final[dict[str, type[Any]]] = {
    f"tocsin.alerts.{cls.__name__}.v1": cls
    for cls in (
        AlertOpened,
        AlertRepeated,
        AlertSeverityChanged,
        AlertAcknowledged,
        AlertResolved,
        ResolutionRemembered,
        FlappingChanged,
        SuppressionChanged,
        SilenceCreated,
        SilenceEnded,
        AlertWordIgnored,
        DeliveryIgnored,
        PolicyApplied,
        CommandUnchanged,
        CommandRefused,
    )
}
