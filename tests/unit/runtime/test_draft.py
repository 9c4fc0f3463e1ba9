"""One slice of a partition: what is decided, what is set aside, what is passed over, and that replay is state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.runtime.records import START, applied, empty_state, record, reloaded
from tocsin.events import tickets as contract
from tocsin.events.identity import failure_entity
from tocsin.events.topics import dlq_topic, facts_topic, state_topic
from tocsin.streams.domain.decision import no_run
from tocsin.streams.domain.ticket_state import TicketState
from tocsin.streams.domain.tickets import TICKETS
from tocsin.streams.runtime.encoding import Prepared
from tocsin.streams.runtime.id_ring import IdRing
from tocsin.streams.runtime.outgoing import OutgoingRecord
from tocsin.streams.runtime.partition_state import PartitionState

FACTS, STATE, DLQ = (topic("tickets") for topic in (facts_topic, state_topic, dlq_topic))

POISON: list[tuple[str, dict[str, Any]]] = [
    ("no_key", {"key": None}),
    ("tombstone", {"value": None}),
    ("bad_value", {"value": b"{not json"}),
    ("bad_value", {"value": b"[]"}),
    ("bad_value", {"value": b'{"workflow": 1}'}),
    (
        "bad_value",
        {"value": b'{"workflow":"a","identifier":"b","identity_reason":"","message":"\xff","occurred_at":""}'},
    ),
    ("bad_value", {"value": b"[" * 100_000}),
    ("bad_envelope", {"headers": ()}),
    ("bad_envelope", {"headers": (("ce_specversion", b"1.0"), ("ce_id", b"x"))}),
    ("bad_envelope", {"headers": (("ce_specversion", b"0.3"),)}),
    ("unknown_type", {"envelope": {"type": "tocsin.tickets.FailureReported.v9"}}),
    ("bad_key", {"key": b"other/t_x"}),
    ("bad_key", {"key": b"default"}),
    ("bad_key", {"key": b"\xff\xfe/x"}),
    ("bad_envelope", {"envelope": {"origin": "3:17"}}),
]


@pytest.mark.parametrize(("reason", "broken"), POISON)
def test_poison_is_set_aside_alone_and_the_partition_moves_on(reason: str, broken: dict[str, Any]) -> None:
    state = empty_state()
    draft, prepared = applied(state, record(0), record(1, **broken), record(2))
    assert [letter.reason for letter in draft.dead_letters] == [reason]
    assert state.progress.position == 3
    entity = msgspec.json.decode(next(iter(state.entities.values())), type=TicketState)
    assert entity.episodes[0].occurrences == 2
    (letter,) = prepared.records[DLQ, 0]
    headers = dict(letter.headers)
    assert (headers["dlq.offset"], headers["dlq.reason"]) == (b"1", reason.encode())


def test_unknown_content_type_is_poison() -> None:
    headers = tuple(
        (name, b"application/avro" if name == "content-type" else value) for name, value in record(0).headers
    )
    draft, _ = applied(empty_state(), record(0, headers=headers))
    assert [letter.reason for letter in draft.dead_letters] == ["bad_envelope"]


def test_dead_letter_keeps_the_record_untouched() -> None:
    broken = record(0, value=b"{not json")
    _, prepared = applied(empty_state(), broken)
    (letter,) = prepared.records[DLQ, 0]
    assert (letter.key, letter.value) == (broken.key, broken.value)
    assert tuple(letter.headers[: len(broken.headers)]) == broken.headers


def test_W2_same_sender_given_id_counts_once_in_a_batch_and_across_batches() -> None:
    state = empty_state()
    given_id = {"envelope": {"id": "given", "sender_given": True}}
    applied(state, record(0, **given_id), record(1, **given_id))
    applied(state, record(2, **given_id))
    (entity,) = (msgspec.json.decode(value, type=TicketState) for value in state.entities.values())
    assert (entity.episodes[0].occurrences, entity.episodes[0].deliveries) == (1, 3)


def test_poison_does_not_burn_its_id() -> None:
    state = empty_state()
    given_id = {"envelope": {"id": "given", "sender_given": True}}
    applied(state, record(0, value=b"{", **given_id))
    _, prepared = applied(state, record(1, **given_id))
    assert [type(decided.fact) for decided in prepared.facts] == [contract.TicketOpened]


def test_replay_of_an_applied_offset_changes_nothing() -> None:
    state = empty_state()
    applied(state, record(0), record(1))
    before = dict(state.entities)
    draft, prepared = applied(state, record(2, envelope={"origin": "0:0"}), record(3, envelope={"origin": "0:1"}))
    assert (draft.skipped, prepared.facts, state.entities) == (2, [], before)
    assert state.progress.position == 4


def test_replayed_dead_letter_counts_once_however_often_it_is_replayed() -> None:
    state = empty_state()
    replay = {"envelope": {"origin": "dlq:0:5"}}
    applied(state, record(0, **replay), record(1, **replay))
    applied(state, record(2, **replay))
    (entity,) = (msgspec.json.decode(value, type=TicketState) for value in state.entities.values())
    assert (entity.episodes[0].occurrences, entity.episodes[0].deliveries) == (1, 1)


def test_records_below_the_position_are_passed_over() -> None:
    state = empty_state()
    applied(state, record(0), record(1))
    draft, prepared = applied(state, record(0), record(1), record(2))
    assert [fact.fact.cause.offsets for fact in prepared.facts] == [(2,)]
    assert draft.position == 3


def test_logical_time_never_goes_back() -> None:
    state = empty_state()
    applied(state, record(0, timestamp=START + 5000))
    draft, _ = applied(state, record(1, timestamp=START))
    assert draft.now == START + 5000


def test_repeats_in_a_batch_fold_into_one_fact_with_every_offset() -> None:
    _, prepared = applied(empty_state(), *(record(offset) for offset in range(5)))
    assert [type(decided.fact).__name__ for decided in prepared.facts] == ["TicketOpened", "OccurrencesCounted"]
    assert prepared.facts[1].fact.cause.offsets == (1, 2, 3, 4)
    ids = [dict(one.headers)["ce_id"] for one in prepared.records[FACTS, 0]]
    assert len(set(ids)) == len(ids)


def test_policy_governs_from_its_event_on_and_the_same_one_twice_is_once() -> None:
    state = empty_state()
    event = contract.PolicyActivated(version="v1", body={"reopen_within_ms": 5})
    policy = {
        "event": event,
        "key": b"policy/tickets",
        "envelope": {"type": "tocsin.tickets.PolicyActivated.v1", "workspace": "default"},
    }
    _, prepared = applied(state, record(0, **policy), record(1, **policy))
    assert [type(decided.fact).__name__ for decided in prepared.facts] == ["PolicyApplied"]
    assert state.policy.reopen_within_ms == 5
    snapshot = {one.key: one.value for one in prepared.records[STATE, 0]}
    assert reloaded(snapshot).policy == state.policy  # type: ignore[arg-type]


def test_state_that_cannot_be_encoded_is_found_and_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    from tocsin.streams.runtime import draft as module

    class Picky:
        def encode(self, value: Any) -> bytes:
            if isinstance(value, TicketState) and "poison" in str(value.episodes[0].source):
                raise TypeError("cannot encode")
            return msgspec.json.encode(value)

    monkeypatch.setattr(module, "_ENCODER", Picky())
    bad = contract.FailureReported(
        workflow="w", identifier="bad", identity_reason="", message="", occurred_at="", source="poison"
    )
    draft, _ = applied(empty_state(), record(0), record(1, identifier="bad", event=bad), record(2), probe=True)
    assert [(letter.reason, letter.record.offset) for letter in draft.dead_letters] == [("cannot_encode", 1)]


def _command(status: str, episode: int) -> dict[str, Any]:
    event = contract.StatusChangeRequested(
        ticket_id=f"{failure_entity('default', 'nightly', 'a')}-{episode}",
        status=status,  # type: ignore[arg-type]
        actor="ann",
    )
    return {"event": event, "identifier": "a", "envelope": {"type": "tocsin.tickets.StatusChangeRequested.v1"}}


def _policy(milliseconds: int) -> dict[str, Any]:
    event = contract.PolicyActivated(version=str(milliseconds), body={"reopen_within_ms": milliseconds})
    return {"event": event, "key": b"policy/tickets", "envelope": {"type": "tocsin.tickets.PolicyActivated.v1"}}


HAPPENINGS = st.one_of(
    *[st.builds(lambda identifier: {"identifier": identifier}, st.sampled_from("ab"))] * 3,
    st.builds(lambda name: {"identifier": "a", "envelope": {"id": name, "sender_given": True}}, st.sampled_from("xy")),
    st.builds(lambda name: {"identifier": "a", "envelope": {"id": name, "outcome": "record"}}, st.sampled_from("pq")),
    st.builds(_command, st.sampled_from(["done", "open", "closed"]), st.integers(1, 2)),
    st.builds(_policy, st.sampled_from([1_000, 20_000])),
    st.just({"identifier": "a", "value": b"{"}),
)


@given(st.lists(st.tuples(HAPPENINGS, st.integers(0, 10_000)), min_size=1, max_size=30), st.integers(1, 10))
def test_W2_counting_repeats_in_one_go_writes_what_deciding_each_writes(happenings: Any, size: int) -> None:
    records, now = [], START
    for offset, (happening, after) in enumerate(happenings):
        now += after
        records.append(record(offset, timestamp=now, **happening))
    each = replace(TICKETS, run=no_run)
    together, apart = empty_state(), PartitionState(each, IdRing(600_000, 1000))
    for start in range(0, len(records), size):
        _, ours = applied(together, *records[start : start + size])
        _, theirs = applied(apart, *records[start : start + size])
        assert by_key(ours) == by_key(theirs)
    assert together.entities == apart.entities


def by_key(prepared: Prepared) -> dict[tuple[str, int], list[OutgoingRecord]]:
    """The records with those of a key together: readers rely on their order within a key alone."""
    return {where: sorted(records, key=lambda record: record.key or b"") for where, records in prepared.records.items()}


CUTS = st.lists(st.integers(1, 6), min_size=1, max_size=12)
LOGS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["", "x", "y"]), st.booleans()), min_size=1, max_size=25
)


@given(LOGS, CUTS)
def test_any_slicing_and_any_crash_between_slices_gives_the_same_state(log: Any, cuts: list[int]) -> None:
    records = [
        record(
            offset,
            identifier=identifier,
            envelope={"id": given or f"e{offset}", "sender_given": bool(given)},
            **({"value": b"{"} if broken else {}),
        )
        for offset, (identifier, given, broken) in enumerate(log)
    ]
    whole = empty_state()
    applied(whole, *records)
    state, snapshot, start = empty_state(), dict[bytes, bytes](), 0
    for cut in cuts * len(records):
        if start >= len(records):
            break
        # what was read twice after the crash is passed over; the successor starts from the state topic alone
        _, prepared = applied(state, *records[max(0, start - 1) : start + cut])
        snapshot |= {one.key: one.value for one in prepared.records[STATE, 0] if one.key and one.value}
        state, start = reloaded(snapshot), start + cut
    assert (state.entities, state.progress) == (whole.entities, whole.progress)
