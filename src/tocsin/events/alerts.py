"""Contracts of the alerts domain: what comes in (events) and what was decided (facts), version 1 of each."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tocsin.events.commands import DeliveryIgnored, Fact, PolicyActivated, PolicyApplied, TimerDue
from tocsin.events.vocabulary import AlertStatus, AlertTransition, Severity

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


class AlertOpened(AlertFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A new episode. ``started_at`` is the sender's time, ``sender_episode`` the sender's name of the episode."""

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


class AlertAcknowledged(AlertFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Somebody has taken it on at the sender's."""

    deliveries: int
    status: AlertStatus = "acknowledged"


class AlertResolved(AlertFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Over: ``resolved_at`` is the sender's time, or that of the timeout. The cause's rule says by what."""

    resolved_at: str
    deliveries: int
    status: AlertStatus = "resolved"


class ResolutionRemembered(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A resolution came before its trigger; the trigger, when it comes, opens an alert that is over already."""

    resolved_at: str
    sender_episode: str = ""


class AlertWordIgnored(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An acknowledgement of an alert nobody has heard of."""


EVENTS: Final[dict[str, type[Any]]] = {
    f"tocsin.alerts.{cls.__name__}.v1": cls for cls in (AlertReceived, TimerDue, PolicyActivated)
}
FACTS: Final[dict[str, type[Any]]] = {
    f"tocsin.alerts.{cls.__name__}.v1": cls
    for cls in (
        AlertOpened,
        AlertRepeated,
        AlertAcknowledged,
        AlertResolved,
        ResolutionRemembered,
        AlertWordIgnored,
        DeliveryIgnored,
        PolicyApplied,
    )
}
