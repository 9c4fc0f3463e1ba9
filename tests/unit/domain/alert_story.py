"""Words of monitoring systems about one alert, decided one after the other."""

from __future__ import annotations

from typing import Any

from tocsin.events.alerts import NO_CONTEXT, AlertReceived
from tocsin.events.commands import Fact
from tocsin.events.envelope import Envelope
from tocsin.events.times import rfc3339
from tocsin.streams.domain.alert_evolution import evolve
from tocsin.streams.domain.alert_policy import AlertsPolicy
from tocsin.streams.domain.alert_state import AlertState
from tocsin.streams.domain.alerts import advance, decide
from tocsin.streams.domain.decision import Received

ENTITY = "a_aaaaaaaaaaaaaaaaaaaaaaaaaa"
START = 1_750_000_000_000
MINUTE = 60_000


def word(transition: str, at: int = 0, episode: str = "") -> AlertReceived:
    """What a sender says ``at`` minutes after the start."""
    return AlertReceived(
        source="alertmanager",
        fingerprint="alertmanager:f00",
        fingerprint_rule="alertmanager.fingerprint",
        fingerprint_fields={"fingerprint": "f00"},
        transition=transition,  # type: ignore[arg-type]
        occurred_at=rfc3339(START + at * MINUTE),
        title="disk full",
        episode=episode,
        context=NO_CONTEXT,
    )


class Story:
    """Decides words one after the other as the runtime does, a second apart."""

    def __init__(self, policy: AlertsPolicy | None = None, entity: str = ENTITY) -> None:
        self.policy = policy or AlertsPolicy()
        self.state: AlertState | None = None
        self.facts: list[Fact] = []
        self.entity, self._offset, self.now = entity, 0, START

    def hear(self, event: Any, *, after: int = 1_000, duplicate: bool = False, offset: int | None = None) -> list[Fact]:
        """The facts of one more event, ``after`` ms later."""
        self._offset = self._offset + 1 if offset is None else offset
        self.now = now = self.now + after
        envelope = Envelope(f"e{self._offset}", "tocsin.alerts.AlertReceived.v1", "/test", rfc3339(now), "default")
        received = Received(event, envelope, self.entity, 0, self._offset, now, duplicate)
        new = [] if self.state is None else self._evolved(advance(self.state, received, self.policy))
        new += self._evolved(decide(self.state, received, self.policy))
        self.facts += new
        return new

    def _evolved(self, facts: Any) -> list[Fact]:
        for fact in facts:
            self.state = evolve(self.state, fact)
        return list(facts)
