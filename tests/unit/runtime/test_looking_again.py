"""Due times are computed anew when another policy governs, and now and then: a moment at a time (S3, S6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from tests.unit.domain.sla_story import body
from tests.unit.runtime.records import START, applied, empty_state, record
from tocsin.events.commands import PolicyActivated
from tocsin.events.identity import failure_entity, record_key
from tocsin.events.sla import SlaPolicyActivated
from tocsin.events.tickets import TimerDue
from tocsin.settings import Settings
from tocsin.streams.domain.ticket_policy import SLA
from tocsin.streams.runtime.options import Options
from tocsin.streams.runtime.ownership import OwnedPartition
from tocsin.streams.runtime.partition_state import POLICY, PartitionState
from tocsin.streams.runtime.timers import Looks, TimerPublisher
from tocsin.streams.worker import options_of

MINUTE = 60_000


def activated(offset: int, version: str = "v1", **changes: Any) -> ConsumerRecord[Any, Any]:
    file = body(changes)
    file = {name: value for name, value in file.items() if name not in ("version", "activated_at")}
    event = SlaPolicyActivated(version=version, body=file)
    return policy_record(offset, event, b"policy/sla", f"{version}@{offset}")


def policy_record(offset: int, event: Any, key: bytes, event_id: str) -> ConsumerRecord[Any, Any]:
    name = f"tocsin.tickets.{type(event).__name__}.v1"
    return record(offset, event=event, key=key, envelope={"type": name, "id": event_id, "sender_given": True})


def failure(offset: int, name: str, **changes: Any) -> ConsumerRecord[Any, Any]:
    return record(
        offset, identifier=name, key=record_key("default", failure_entity("default", "nightly", name)), **changes
    )


def woken(offset: int, key: bytes, after: int) -> ConsumerRecord[Any, Any]:
    event = TimerDue(entity=key.decode().partition("/")[2], due_at=0)
    return record(
        offset, event=event, key=key, timestamp=START + after, envelope={"type": "tocsin.tickets.TimerDue.v1"}
    )


def facts_of(draft: Any) -> list[str]:
    return [type(one.fact).__name__ for facts in draft.facts.values() for one in facts]


def test_S6_the_sla_policy_lives_beside_what_the_tickets_file_activates() -> None:
    state = empty_state()
    tickets = PolicyActivated(version="t1", body={"reopen_within_ms": 5, "sources": {}})
    draft, _ = applied(state, activated(0), policy_record(1, tickets, b"policy/tickets", "t"))
    assert not draft.dead_letters
    assert facts_of(draft) == ["SlaPolicyApplied", "PolicyApplied"]
    assert (state.policy.reopen_within_ms, state.policy.sla.version) == (5, "v1")
    applied(state, activated(2, "v2", warn_at=[50]))
    assert (state.policy.reopen_within_ms, state.policy.sla.version) == (5, "v2")
    assert (state.active_policy.version, state.policy.sla.body.activated_at) == ("t1", START + 2)
    snapshot = {POLICY: msgspec.json.encode(state.active_policy)}
    again = PartitionState.load(state.domain, state.ring, snapshot)
    assert again.policy.sla.version == "v2"


def test_S6_the_same_version_again_changes_nothing() -> None:
    state = empty_state()
    applied(state, activated(0))
    draft, _ = applied(state, activated(1), activated(2))
    assert (facts_of(draft), draft.policy) == ([], None)


def test_S6_a_policy_that_cannot_be_read_is_set_aside_and_the_old_one_stays() -> None:
    state = empty_state()
    applied(state, activated(0))
    broken = SlaPolicyActivated(version="v2", body={"targets": "none"})
    draft, _ = applied(state, policy_record(1, broken, b"policy/sla", "b"), failure(2, "etl"))
    assert [letter.reason for letter in draft.dead_letters] == ["cannot_decide"]
    assert state.policy.sla.version == "v1"
    (opened,) = [one.fact for facts in draft.facts.values() for one in facts]
    assert [clock.policy_version for clock in opened.clocks] == ["v1", "v1"]  # type: ignore[attr-defined]


def test_S6_a_calendar_of_the_policy_before_is_remembered() -> None:
    state = empty_state()
    office = {"office": {"timezone": "Europe/Berlin", "hours": {"mon-fri": ["09:00-17:00"]}}}
    applied(state, activated(0, calendars=office, calendar="office"), failure(1, "etl"))
    applied(state, activated(2, "v2"))
    (kept,) = state.active_policy.body[SLA]["retired"]
    assert kept.startswith("office@")
    draft, _ = applied(state, woken(3, failure(3, "etl").key, MINUTE))
    assert facts_of(draft) == ["ClockRetargeted", "ClockRetargeted"]
    first: Any = next(one.fact for facts in draft.facts.values() for one in facts)
    assert first.clock.elapsed_ms == 0  # a Sunday: the office was closed


def test_S6_every_open_ticket_is_woken_after_another_policy() -> None:
    state = empty_state()
    applied(state, activated(0), *(failure(number, f"job-{number}") for number in range(1, 101)))
    applied(state, activated(101, "v2", warn_at=[50], targets={"resolution": {"default": {"high": "2h"}}}))
    assert not state.look_on()
    assert len(state.due.take_due(START + 101, 1000)) == 100


def test_looking_again_stops_after_its_moment_and_goes_on_where_it_was() -> None:
    state = empty_state()
    applied(state, activated(0), *(failure(number, f"job-{number}") for number in range(1, 1501)))
    state.look_again()
    rounds, longest = 1, 0.0
    while True:
        began = time.perf_counter()
        more = state.look_on(0.0005)
        longest = max(longest, time.perf_counter() - began)
        if not more:
            break
        rounds += 1
    assert rounds > 2
    assert longest < 0.05  # of a moment of half a millisecond, on a busy machine
    assert len(state.due) == 1500


class Collected(TimerPublisher):
    """Publishes nothing, so it has no producer."""

    def __init__(self, owned: Any, clock: Callable[[], int], looks: Looks) -> None:
        self._owned, self._clock, self._looks = owned, clock, looks
        self._full = WeakKeyDictionary()
        self.published: list[bytes] = []

    async def _send(self, partition: OwnedPartition, key: bytes, event: Any) -> Any:
        self.published.append(key)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer.set_result(Sent(len(self.published)))
        return answer


class Sent(NamedTuple):
    offset: int


class Partition:
    """What of an owned partition the timers see."""

    def __init__(self, state: PartitionState) -> None:
        self.state, self.domain, self.number = state, state.domain, 0
        self.position = 0


async def test_S3_a_lost_timer_is_found_within_the_interval_and_the_breach_is_decided() -> None:
    state = empty_state()
    applied(state, activated(0), failure(1, "etl"))
    key = failure(1, "etl").key
    assert key is not None
    assert not state.look_on()
    state.due.set(key, None)  # lost
    owned: Any = [Partition(state)]
    now = [0.0]
    timers = Collected(lambda: owned, lambda: START + 20 * MINUTE, Looks(60, lambda: now[0]))
    await timers.publish_due()
    now[0] = 59.0
    await timers.publish_due()
    assert timers.published == []
    now[0] = 60.0
    await timers.publish_due()
    assert timers.published == [key]
    draft, _ = applied(state, woken(2, key, 20 * MINUTE))
    assert "ClockBreached" in facts_of(draft)


async def test_S6_thousands_that_are_due_at_once_leave_room_for_other_events() -> None:
    state = empty_state()
    for number in range(2500):
        state.due.set(b"default/%d" % number, START)
    partition = Partition(state)
    owned: Any = [partition]
    timers = Collected(lambda: owned, lambda: START, Looks(60, lambda: 0.0))
    seen = []
    for position in (0, 500, 1000, 1001, 1500, 2001):
        partition.position = position
        await timers.publish_due()
        seen.append(len(timers.published))
    assert seen == [1000, 1000, 1000, 2000, 2000, 2500]  # the next batch once the one before was applied


@pytest.mark.parametrize("looked_at", [True, False])
def test_only_domains_that_ask_are_looked_at_again(looked_at: bool) -> None:
    state = empty_state()
    applied(state, activated(0), failure(1, "etl"))
    assert not state.look_on()
    state.due.set(failure(1, "etl").key or b"", None)
    partition = Partition(state)
    partition.domain = replace(state.domain, looked_at=looked_at)
    moments: Iterator[float] = iter([0.0, 0.0, 100.0, 100.0, 100.0])
    looks = Looks(60, lambda: next(moments))
    owned: Any = [partition]
    looks.go_on(owned)
    looks.go_on(owned)
    assert bool(len(state.due)) is looked_at


def test_S3_the_interval_is_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_INTERVAL_MINUTES", "5")
    settings = Settings(_env_file=None, kafka_bootstrap_servers="k:9092")
    assert options_of(settings).look_again_after == 300_000
    assert Options("k", "t", 1).look_again_after == 60_000


def test_S4_replaying_the_log_gives_the_same_state_with_clocks() -> None:
    records = [activated(0), *(failure(number, f"job-{number % 5}") for number in range(1, 40))]
    records += [woken(40 + number, failure(0, f"job-{number}").key or b"", 90 * MINUTE) for number in range(5)]
    one, other = empty_state(), empty_state()
    applied(one, *records)
    for each in records:
        applied(other, each)
    assert one.entities == other.entities
