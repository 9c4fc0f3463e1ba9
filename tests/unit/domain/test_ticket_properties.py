"""Whatever happens to an entity in whatever order: folding gives the state, folding facts loses no count."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.given import ENTITY, Log, change, failure, hide, wake
from tocsin.events import tickets as contract
from tocsin.events.vocabulary import TICKET_STATUSES
from tocsin.streams.domain.ticket_policy import TicketsPolicy
from tocsin.streams.domain.ticket_state import TicketState, evolve
from tocsin.streams.domain.tickets import fold, fold_key

TICKET_IDS = st.integers(1, 3).map(lambda number: f"{ENTITY}-{number}")
EVENTS = st.one_of(
    st.builds(failure, message=st.sampled_from("abc")),
    st.builds(change, st.sampled_from(TICKET_STATUSES), TICKET_IDS),
    st.builds(hide, TICKET_IDS),
    st.just(wake()),
)
HISTORIES = st.lists(st.tuples(EVENTS, st.integers(0, 30_000), st.booleans()), max_size=30)
POLICY = TicketsPolicy(reopen_within_ms=60_000)


def played(history: list[tuple[Any, int, bool]]) -> Log:
    log = Log(POLICY)
    for event, after, duplicate in history:
        log.when(event, after=after, duplicate=duplicate and isinstance(event, contract.FailureReported))
    return log


@given(HISTORIES)
def test_X1_folding_the_facts_gives_the_state(history: list[tuple[Any, int, bool]]) -> None:
    log = played(history)
    state: TicketState | None = None
    for fact in log.facts:
        encoded = msgspec.json.encode(fact)
        state = evolve(state, msgspec.json.decode(encoded, type=type(fact)))
    assert state == log.state


@given(HISTORIES)
def test_state_survives_its_encoding(history: list[tuple[Any, int, bool]]) -> None:
    state = played(history).state
    if state is not None:
        assert msgspec.json.decode(msgspec.json.encode(state), type=TicketState) == state


@given(HISTORIES)
def test_at_most_one_episode_is_unresolved(history: list[tuple[Any, int, bool]]) -> None:
    state = played(history).state
    if state is not None:
        assert sum(episode.unresolved for episode in state.episodes) <= 1


@given(HISTORIES)
def test_W2_folded_facts_give_the_same_state_and_the_same_sums(history: list[tuple[Any, int, bool]]) -> None:
    log = played(history)
    folded: list[Any] = []
    for key, run in groupby(log.facts, key=fold_key):
        facts: list[Any] = list(run)
        folded += facts if key is None else [fold(facts)]
    state: TicketState | None = None
    for fact in folded:
        state = evolve(state, fact)
    assert state == log.state
    assert counts(folded) == counts(log.facts)
    assert [offset for fact in folded for offset in fact.cause.offsets] == [
        offset for fact in log.facts for offset in fact.cause.offsets
    ]


@given(HISTORIES)
def test_every_failure_is_counted_exactly_once(history: list[tuple[Any, int, bool]]) -> None:
    log = played(history)
    failures = [duplicate for event, _, duplicate in history if isinstance(event, contract.FailureReported)]
    ignored = sum(type(fact) is contract.DeliveryIgnored for fact in log.facts)
    occurrences, deliveries = counts(log.facts)
    assert deliveries == len(failures) - ignored
    assert occurrences == failures.count(False)


def counts(facts: list[Any]) -> tuple[int, int]:
    """Occurrences and deliveries that these facts add."""
    occurrences = deliveries = 0
    for fact in facts:
        if isinstance(fact, contract.TicketOpened | contract.TicketReopened):
            occurrences, deliveries = occurrences + 1, deliveries + 1
        elif isinstance(fact, contract.OccurrencesCounted):
            occurrences, deliveries = occurrences + fact.occurrences_added, deliveries + fact.deliveries_added
    return occurrences, deliveries
