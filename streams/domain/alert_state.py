"""The state of one fingerprint, folded from facts: its newest episode, what is over, and what its incident was told."""

from __future__ import annotations

import msgspec

from tocsin.events.alerts import AlertSummary, Grouping
from tocsin.events.times import rfc3339
from tocsin.events.vocabulary import AlertStatus, Severity


class Episode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest alert of a fingerprint. Times in Unix ms of the sender, except ``updated_at`` (logical time).

    last_seen_at: of the newest trigger. title … environment: for its incident; empty once it is over.
    """

    number: int
    status: AlertStatus
    severity: Severity
    source: str
    sender_episode: str
    version: int
    updated_at: int
    started_at: int
    last_seen_at: int
    occurrences: int
    deliveries: int
    resolved_at: int = 0
    title: str = ""
    service: str = ""
    team: str = ""
    environment: str = ""

    @property
    def active(self) -> bool:
        return self.status != "resolved"


class Ended(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A sender's episode that is over; ``resolved_at`` in Unix ms of the sender."""

    sender_episode: str
    resolved_at: int


class AlertState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """ended: episodes that are over by name, newest last. over_until: triggers not later are over, whatever
    their episode; unnamed_over_until: those without a name of an episode. Both in Unix ms of the sender.

    waiting: deliveries heard before there was an alert to count them on.
    told: the terms of the incident that counts this fingerprint among its active alerts; None when none does.
    held: the terms of an incident that is told once no silence keeps the alert from it; held_fields: the alert as
    silences see it, held_at: when they were looked at last (logical time, Unix ms).
    transitions: when episodes opened and ended, logical time in Unix ms.
    """

    entity: str
    episode: Episode | None = None
    ended: tuple[Ended, ...] = ()
    over_until: int = 0
    unnamed_over_until: int = 0
    waiting: int = 0
    told: Grouping | None = None
    held: Grouping | None = None
    held_fields: dict[str, str] = {}
    held_at: int = 0
    suppressed_by: tuple[str, ...] = ()
    flapping: bool = False
    transitions: tuple[int, ...] = ()

    def alert_id(self, number: int) -> str:
        return f"{self.entity}-{number}"

    def ended_at(self, sender_episode: str) -> int | None:
        """When the sender resolved this episode by its name, Unix ms."""
        return next((one.resolved_at for one in self.ended if one.sender_episode == sender_episode), None)

    def summary(self) -> AlertSummary:
        """What an incident is told of the newest episode. Raises ValueError when there is none."""
        episode = newest(self)
        return AlertSummary(
            alert_id=self.alert_id(episode.number),
            source=episode.source,
            title=episode.title,
            severity=episode.severity,
            started_at=rfc3339(episode.started_at),
            service=episode.service,
            team=episode.team,
            environment=episode.environment,
        )


def newest(state: AlertState | None) -> Episode:
    """Raises ValueError when there was no alert yet."""
    if state is None or state.episode is None:
        raise ValueError("no alert of this fingerprint was opened")
    return state.episode
