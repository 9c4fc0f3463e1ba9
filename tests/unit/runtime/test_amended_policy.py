"""Events that change the policy of a partition: silences, beside the policy file."""

from __future__ import annotations

from typing import Any

import msgspec
from aiokafka.structs import ConsumerRecord

from tests.unit.domain.alert_story import START, word
from tocsin.events.alerts import Matcher, Silence, SilenceEndRequested, SilenceRequested
from tocsin.events.commands import PolicyActivated
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import alert_entity, record_key
from tocsin.events.times import rfc3339
from tocsin.events.topics import events_topic
from tocsin.streams.domain.alerts import ALERTS
from tocsin.streams.runtime.draft import Draft
from tocsin.streams.runtime.encoding import prepare
from tocsin.streams.runtime.id_ring import IdRing
from tocsin.streams.runtime.partition_state import POLICY, PartitionState

HOUR = 3_600_000
ID = "s_" + "a" * 26
SILENCE = Silence(
    silence_id=ID,
    matchers=(Matcher("source", ("alertmanager",)),),
    starts_at=rfc3339(START),
    ends_at=rfc3339(START + HOUR),
)
QUIET = SilenceRequested(silence=SILENCE, recorded=True)
LOUD = SilenceEndRequested(silence_id=ID, actor="ana", recorded=True)
ALERT_KEY = record_key("default", alert_entity("default", "alertmanager:f00"))


def record(offset: int, event: Any, key: bytes, event_id: str = "") -> ConsumerRecord[Any, Any]:
    envelope = Envelope(
        event_id or f"e{offset}",
        f"tocsin.alerts.{type(event).__name__}.v1",
        "/test",
        rfc3339(START),
        "default",
        sender_given=bool(event_id),
    )
    headers = tuple(to_headers(envelope))
    value = msgspec.json.encode(event)
    return ConsumerRecord(events_topic("alerts"), 0, offset, START + offset, 1, key, value, None, 0, 0, headers)


def empty() -> PartitionState:
    return PartitionState(ALERTS, IdRing(600_000, 1000))


def applied(state: PartitionState, *records: ConsumerRecord[Any, Any]) -> Draft:
    draft = Draft(state, 0)
    for one in records:
        draft.take(one)
    prepared = prepare(draft, 4, 1_000_000)
    state.accept(prepared.changed, prepared.progress, draft.new_ids, draft.policy)
    return draft


def test_I9_a_silence_governs_every_later_alert_of_the_partition_and_survives_its_owner() -> None:
    state = empty()
    draft = applied(state, record(0, QUIET, b"default/silences"), record(1, word("triggered"), ALERT_KEY))
    assert not draft.dead_letters
    assert [fact.fact.cause.rule for facts in draft.facts.values() for fact in facts] == [
        "silence_created",
        "new_fingerprint",
    ]
    assert state.due.next_due() == START + HOUR
    snapshot = {POLICY: msgspec.json.encode(draft.policy), **state.entities}
    again = PartitionState.load(ALERTS, IdRing(600_000, 1000), snapshot)
    assert [one.silence_id for one in again.policy.silences_of("default")] == [ID]
    assert again.due.next_due() == START + HOUR


def test_I9_ending_a_silence_makes_its_alerts_due_at_once() -> None:
    state = empty()
    applied(state, record(0, QUIET, b"default/silences"), record(1, word("triggered"), ALERT_KEY))
    applied(state, record(2, LOUD, b"default/silences"))
    assert not state.look_on()
    due = state.due.next_due()
    assert due is not None
    assert due <= START + 2


def test_I9_a_new_policy_file_keeps_silences_and_a_late_copy_of_a_silence_does_not_bring_it_back() -> None:
    state = empty()
    activated = PolicyActivated(version="v2", body={"resolve_after_ms": HOUR})
    applied(state, record(0, QUIET, b"default/silences", "one"), record(1, activated, b"policy/alerts"))
    assert (state.policy.resolve_after_ms, len(state.policy.silences_of("default"))) == (HOUR, 1)
    applied(state, record(2, LOUD, b"default/silences"), record(3, QUIET, b"default/silences", "one"))
    assert state.policy.silences_of("default") == ()
    assert (state.active_policy.version, state.policy.resolve_after_ms) == ("v2", HOUR)
