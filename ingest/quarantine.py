"""The way back of a quarantined webhook: its delivery is read again by the parser or mapper as they are now."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from tocsin.events.times import unix_ms
from tocsin.ingest.publish import Record
from tocsin.ingest.records import Request
from tocsin.ingest.sources import generic
from tocsin.ingest.sources.catalogue import EVERY
from tocsin.ingest.sources.generic import Mapper
from tocsin.ingest.sources.webhook import Delivery, Unreadable
from tocsin.ingest.webhook_records import HEADER_PREFIX, Parse, outgoing, route_of

SOURCE_HEADER = "webhook.source"


def read_again(
    headers: Mapping[str, str], body: bytes, position: str, mapper_of: Callable[[str], Mapper | None], partitions: int
) -> list[Record]:
    """The records the delivery becomes now, with the ids it would have had; none when it says nothing of an alert.

    ``position``: of the dead letter, part of the origin, so that a second replay changes nothing. Raises Unreadable.
    """
    source, mapper = headers[SOURCE_HEADER], headers.get("webhook.mapper", "")
    delivery = Delivery(
        body,
        {name.removeprefix(HEADER_PREFIX): value for name, value in headers.items() if name.startswith(HEADER_PREFIX)},
        unix_ms(headers["ce_time"]),
        headers.get("webhook.verified_by", ""),
        mapper,
    )
    request = Request(
        headers["ce_workspace"], delivery.now_ms, headers.get("ce_correlationid", ""), headers.get("traceparent", "")
    )
    reading = _parser(source, mapper, mapper_of)(delivery)
    origin = f"dlq:webhook:{position}"
    found = outgoing(reading, delivery, route_of(source, mapper), request, partitions, origin)
    return [*found.payloads, *found.events]


def _parser(source: str, name: str, mapper_of: Callable[[str], Mapper | None]) -> Parse:
    if source in EVERY:
        return EVERY[source].parse
    mapper = mapper_of(name)
    if mapper is None:
        raise Unreadable(f"there is no mapper {name}" if name else f"there is no source {source}")
    return functools.partial(generic.parse, mapper)
