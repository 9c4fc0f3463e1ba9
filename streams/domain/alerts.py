"""Alerts: one episode a trigger-to-resolve cycle, occurrences beside deliveries, order by the sender's own time.

Facts of the senders: shared by Alertmanager (an episode is fingerprint + startsAt), Datadog (alert cycle key, Re-* and
Renotify repeat), PagerDuty Events v2 (acknowledge and resolve of an unknown key are accepted and dropped).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final

import msgspec

from tocsin.events import alerts as contract
from tocsin.events.alerts import AlertReceived, SilenceEndRequested, SilenceRequested
from tocsin.events.commands import Fact
from tocsin.streams.domain import alert_words, silences
from tocsin.streams.domain.alert_effects import effects
from tocsin.streams.domain.alert_evolution import evolve
from tocsin.streams.domain.alert_facts import Heard, delivered_again, heard
from tocsin.streams.domain.alert_policy import AlertsPolicy, policy_of
from tocsin.streams.domain.alert_state import AlertState
from tocsin.streams.domain.alert_timers import advance, flaps, next_due, restless
from tocsin.streams.domain.decision import Domain, Received

__all__ = ["ALERTS", "advance", "decide", "next_due"]


def decide(state: AlertState | None, received: Received, policy: AlertsPolicy) -> Sequence[Fact]:
    event = received.event
    if isinstance(event, SilenceRequested | SilenceEndRequested):
        return silences.decide(received, policy.silences_of(received.envelope.workspace))
    if type(event) is not AlertReceived:
        return ()
    if received.duplicate:
        return (delivered_again(state, received),)
    known = state or AlertState(received.entity)
    decided = _WORDS[event.transition](known, heard(received, policy))
    return _with_flapping(known, decided, received, policy)


_WORDS: Final[dict[str, Callable[[AlertState, Heard], Sequence[Fact]]]] = {
    "triggered": alert_words.triggered,
    "repeated": alert_words.triggered,
    "acknowledged": alert_words.acknowledged,
    "resolved": alert_words.resolved,
}


def _with_flapping(
    state: AlertState, decided: Sequence[Fact], received: Received, policy: AlertsPolicy
) -> Sequence[Fact]:
    """Adds that the alert flaps, when what was decided is one transition too many."""
    if not any(isinstance(fact, contract.AlertOpened | contract.AlertResolved) for fact in decided):
        return decided
    for fact in decided:
        state = evolve(state, fact) or state
    if transitions := flaps(state, received.now, policy):
        return (*decided, restless(state, received, transitions, policy))
    return decided


# --- folding --------------------------------------------------------------------------------------------------------


def fold_key(fact: Fact) -> Hashable | None:
    """Repeats of one alert in a batch become one fact; everything else stays apart."""
    return fact.alert_id if type(fact) is contract.AlertRepeated else None


def fold(run: Sequence[contract.AlertRepeated]) -> Fact:
    """One fact for a run of repeats of one alert, in order; its cause is the last that counted, with all offsets."""
    last = run[-1]
    counted = [fact for fact in run if fact.occurrences_added]
    said = [fact.latest for fact in run if fact.latest is not None]
    return msgspec.structs.replace(
        last,
        cause=msgspec.structs.replace(
            counted[-1].cause if counted else last.cause,
            offset=last.cause.offset,
            offsets=tuple(offset for fact in run for offset in fact.cause.offsets),
        ),
        answers=tuple(answer for fact in run for answer in fact.answers),
        occurrences_added=sum(fact.occurrences_added for fact in run),
        deliveries_added=sum(fact.deliveries_added for fact in run),
        latest=said[-1] if said else None,
    )


ALERTS: Final[Domain[AlertState, AlertsPolicy]] = Domain(
    name=contract.DOMAIN,
    events=contract.EVENTS,
    facts=contract.FACTS,
    state_type=AlertState,
    policy=policy_of,
    decide=decide,
    advance=advance,
    evolve=evolve,
    next_due=next_due,
    fold_key=fold_key,
    fold=fold,
    effects=effects,
    amending=silences.AMENDING,
    amended=silences.amended,
)
