"""Turns a draft into the records of its transaction: facts (folded), effects, dead letters, state, progress.

Everything that can fail is done here, before the transaction begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.events.commands import Fact
from tocsin.events.envelope import CONTENT_TYPE, SPEC_VERSION, Envelope, to_headers
from tocsin.events.identity import partition_of, record_key
from tocsin.events.times import rfc3339
from tocsin.events.topics import dlq_topic, events_topic, facts_topic, state_topic
from tocsin.streams.domain.decision import no_effects, no_live
from tocsin.streams.runtime.draft import MAX_DEPTH, Decided, Draft
from tocsin.streams.runtime.live_records import add_live_events
from tocsin.streams.runtime.outgoing import OutgoingRecord
from tocsin.streams.runtime.partition_state import POLICY, PROGRESS, Progress

_ENCODE: Final = msgspec.json.Encoder().encode


class Prepared(NamedTuple):
    """One transaction, encoded. ``records`` by (topic, partition), in order; the rest is for ``accept``.

    changed: by key, the decoded and the encoded state; None and None for an entity that leaves none behind.
    """

    records: Mapping[tuple[str, int], list[OutgoingRecord]]
    changed: Mapping[bytes, tuple[Any, bytes | None]]
    facts: Sequence[Decided]
    progress: Progress


class TooLarge(ValueError):
    """A record would exceed what the broker accepts."""


def prepare(draft: Draft, partitions: int, max_message_bytes: int) -> Prepared:
    """Encodes a draft.

    Raises TypeError, ValueError or msgspec errors when something cannot be encoded, TooLarge when it does not fit;
    the caller then decides the slice again with ``probe``.
    """
    draft.settle()
    domain, here = draft.domain, draft.partition
    facts = _folded(draft)
    changed = {key: (state, None if state is None else _ENCODE(state)) for key, state in draft.changed.items()}
    records: dict[tuple[str, int], list[OutgoingRecord]] = {}
    if facts:
        names = {cls: name for name, cls in domain.facts.items()}
        records[facts_topic(domain.name), here] = list(_fact_records(facts, names, f"{domain.name}:{here}"))
        if domain.effects is not no_effects:
            _add_effects(records, facts, draft, partitions)
        if domain.live is not no_live:
            add_live_events(records, facts, draft, partitions)
    if draft.dead_letters:
        records[dlq_topic(domain.name), here] = list(_dead_letter_records(draft, max_message_bytes))
    records[state_topic(domain.name), here] = list(_state_records(draft, changed))
    _check_sizes(records, max_message_bytes)
    return Prepared(records, changed, facts, draft.progress)


def _folded(draft: Draft) -> list[Decided]:
    """Repeats of one entity become one fact. Order is kept per key, which is all that readers rely on."""
    folded: list[Decided] = []
    for of_one_key in draft.facts.values():
        if len(of_one_key) == 1:
            folded += of_one_key
        else:
            folded += _folded_runs(of_one_key, draft)
    return folded


def _folded_runs(of_one_key: Sequence[Decided], draft: Draft) -> Iterator[Decided]:
    fold_key, fold = draft.domain.fold_key, draft.domain.fold
    for key, group in groupby(of_one_key, key=lambda decided: fold_key(decided.fact)):
        run = list(group)
        if key is None or len(run) == 1:
            yield from run
        else:
            last = run[-1]
            yield Decided(last.key, last.envelope, fold([decided.fact for decided in run]))


def _fact_records(facts: Iterable[Decided], names: Mapping[type[Any], str], id_prefix: str) -> Iterator[OutgoingRecord]:
    source = ("ce_source", f"/tocsin/streams/{id_prefix.partition(':')[0]}".encode())
    types = {cls: ("ce_type", name.encode()) for cls, name in names.items()}
    last_offset, nth = -1, 0
    for key, envelope, fact in facts:
        offset = fact.cause.offset
        nth = nth + 1 if offset == last_offset else 0
        last_offset = offset
        headers = [
            SPEC_VERSION,
            ("ce_id", f"{id_prefix}:{offset}:{nth}".encode()),
            types[type(fact)],
            source,
            ("ce_time", fact.at.encode()),
            ("ce_workspace", envelope.workspace.encode()),
            CONTENT_TYPE,
            ("ce_causationid", envelope.id.encode()),
        ]
        if envelope.correlation_id:
            headers.append(("ce_correlationid", envelope.correlation_id.encode()))
        if envelope.traceparent:
            headers.append(("traceparent", envelope.traceparent.encode()))
        if envelope.depth:
            headers.append(("ce_depth", b"%d" % envelope.depth))
        yield OutgoingRecord(key, _ENCODE(fact), headers)


def _add_effects(
    records: dict[tuple[str, int], list[OutgoingRecord]], facts: Sequence[Decided], draft: Draft, partitions: int
) -> None:
    for nth, (_, envelope, fact) in enumerate(facts):
        if envelope.depth >= MAX_DEPTH:
            continue
        for effect in draft.domain.effects(fact):
            key = record_key(envelope.workspace, effect.entity)
            where = events_topic(effect.domain), partition_of(key, partitions)
            headers = to_headers(
                Envelope(
                    id=f"{draft.domain.name}:{draft.partition}:{fact.cause.offset}:{nth}:{effect.entity}",
                    type=effect.type,
                    source=f"/tocsin/streams/{draft.domain.name}",
                    time=rfc3339(draft.now),
                    workspace=envelope.workspace,
                    causation_id=envelope.id,
                    depth=envelope.depth + 1,
                    correlation_id=envelope.correlation_id,
                    traceparent=envelope.traceparent,
                )
            )
            records.setdefault(where, []).append(OutgoingRecord(key, _ENCODE(effect.event), headers))


def _dead_letter_records(draft: Draft, max_message_bytes: int) -> Iterator[OutgoingRecord]:
    """The original key, value and headers untouched, and why it is here."""
    for record, reason, detail, exception in draft.dead_letters:
        why = {
            "dlq.topic": record.topic,
            "dlq.partition": str(record.partition),
            "dlq.offset": str(record.offset),
            "dlq.reason": reason,
            "dlq.detail": detail,
            "dlq.exception": exception,
            "dlq.attempts": "1",
            "dlq.at": rfc3339(draft.now),
        }
        reasons = [(name, text.encode(errors="replace")) for name, text in why.items()]
        yield _that_fits(OutgoingRecord(record.key, record.value, list(record.headers)), reasons, max_message_bytes)


def _that_fits(record: OutgoingRecord, reasons: list[tuple[str, bytes]], limit: int) -> OutgoingRecord:
    """Compressed, a record may have been larger than any that is written here: then its value, if need be its headers
    and its key are left out and named. The original stays where the reasons say, as long as its topic keeps it."""
    key, value, headers = record
    omitted = []
    if _size(key, value, headers) > limit:
        omitted, value = [f"value of {len(value or b'')} bytes"], None
    if _size(key, value, headers) > limit:
        omitted, headers = [*omitted, f"{len(headers)} headers"], []
    if _size(key, value, headers) > limit:
        omitted, key = [*omitted, f"key of {len(key or b'')} bytes"], None
    if omitted:
        reasons = [*reasons, ("dlq.omitted", ", ".join(omitted).encode())]
    return OutgoingRecord(key, value, [*headers, *reasons])


def _size(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> int:
    return len(key or b"") + len(value or b"") + sum(len(name) + len(text or b"") for name, text in headers)


def _state_records(draft: Draft, changed: Mapping[bytes, tuple[Any, bytes | None]]) -> Iterator[OutgoingRecord]:
    for key, (_, encoded) in changed.items():
        yield OutgoingRecord(key, encoded)  # without a value: compaction removes the entity
    if draft.new_ids:
        yield OutgoingRecord(*draft.state.ring.encode(draft.now, draft.new_ids))
    if draft.policy is not None:
        yield OutgoingRecord(POLICY, _ENCODE(draft.policy))
    yield OutgoingRecord(PROGRESS, _ENCODE(draft.progress))


def _check_sizes(records: Mapping[tuple[str, int], list[OutgoingRecord]], limit: int) -> None:
    for (topic, _), outgoing in records.items():
        for record in outgoing:
            size = len(record.key or b"") + len(record.value or b"")
            if size > limit:
                raise TooLarge(f"a record of {size} bytes for {topic}; {limit} bytes fit")


def fact_reason(fact: Fact) -> str:
    """The named reason of a decision, as it appears in metrics and explanations."""
    return fact.cause.rule
