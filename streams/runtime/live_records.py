"""The live events of a transaction, as records of ``tocsin.live.v1``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final

import msgspec

from tocsin.events.envelope import CONTENT_TYPE, SPEC_VERSION
from tocsin.events.identity import partition_of
from tocsin.events.live import LIVE_EVENTS, MAX_EVENTS, LiveEvent
from tocsin.events.times import rfc3339
from tocsin.events.topics import LIVE
from tocsin.streams.runtime.draft import Decided, Draft
from tocsin.streams.runtime.outgoing import OutgoingRecord

_ENCODE: Final = msgspec.json.Encoder().encode
_BYTES: Final = 64 * 1024


def add_live_events(
    records: dict[tuple[str, int], list[OutgoingRecord]], facts: Sequence[Decided], draft: Draft, partitions: int
) -> None:
    """By workspace, so that all of one are in one order whatever entity they are about: that of their causes."""
    live = draft.domain.live
    told: dict[str, list[tuple[int, Decided, Sequence[LiveEvent]]]] = {}
    for one in facts:
        if events := live(one.fact):
            told.setdefault(one.envelope.workspace, []).append((one.fact.cause.offset, one, events))
    for workspace, found in told.items():
        found.sort(key=itemgetter(0))
        where = LIVE, partition_of(workspace.encode(), partitions)
        records.setdefault(where, []).extend(_live_records(workspace, found, draft))


def _live_records(
    workspace: str, told: Sequence[tuple[int, Decided, Sequence[LiveEvent]]], draft: Draft
) -> Iterator[OutgoingRecord]:
    """As few as may be: a record each would cost as much as the fact it tells of."""
    name = f"{draft.domain.name}:{draft.partition}:{told[-1][0]}"
    common = [
        SPEC_VERSION,
        ("ce_type", LIVE_EVENTS.encode()),
        ("ce_source", f"/tocsin/streams/{draft.domain.name}".encode()),
        ("ce_time", rfc3339(draft.now).encode()),
        ("ce_workspace", workspace.encode()),
        CONTENT_TYPE,
    ]
    causes = {one.envelope.id: one.envelope for _, one, _ in told}
    if len(causes) == 1:
        (cause,) = causes.values()
        common.append(("ce_causationid", cause.id.encode()))
        if cause.correlation_id:
            common.append(("ce_correlationid", cause.correlation_id.encode()))
    encoded = [_ENCODE(event) for _, _, events in told for event in events]
    for number, part in enumerate(_parts(encoded)):
        value = b'{"events":[' + b",".join(part) + b"]}"
        yield OutgoingRecord(workspace.encode(), value, [*common, ("ce_id", f"{name}:{number}:live".encode())])


def _parts(encoded: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Slices of about _BYTES, which readers parse in one go."""
    start = size = 0
    for number, event in enumerate(encoded):
        if number > start and (size + len(event) > _BYTES or number - start >= MAX_EVENTS):
            yield encoded[start:number]
            start, size = number, 0
        size += len(event)
    yield encoded[start:]
