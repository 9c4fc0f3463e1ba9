"""Contracts of the alerts domain: what comes in (events) and what was decided (facts), version 1 of each."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tocsin.events.vocabulary import AlertTransition, Severity

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


EVENTS: Final[dict[str, type[Any]]] = {f"tocsin.alerts.{cls.__name__}.v1": cls for cls in (AlertReceived,)}
