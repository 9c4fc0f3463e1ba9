"""Failure reports, one or many: read, give ids, publish, and say what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tocsin.events.envelope import to_headers
from tocsin.events.tickets import DOMAIN, FailureReported
from tocsin.ingest.publish import Publisher, Record
from tocsin.ingest.records import (
    Request,
    encode,
    envelope,
    keyed_id,
    new_ids,
    payload_record,
    record,
    routing,
)
from tocsin.ingest.sources.failure import Report, parse, parse_item
from tocsin.ingest.sources.json_text import check_encoding, unreadable
from tocsin.problems import FieldError, Problem, invalid

MAX_ITEMS: Final = 5_000
_items: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Accepted(msgspec.Struct):
    """The answer to one report. ``ticket_entity``: its tickets are ``<ticket_entity>-<episode>``."""

    event_id: str
    identifier: str
    identity_reason: str
    status_url: str
    ticket_entity: str


class ItemResult(msgspec.Struct, omit_defaults=True, gc=False):
    """What became of one item of a batch: 202 with its event id, or its problem."""

    index: int
    status: int
    event_id: str = ""
    problem: dict[str, Any] | None = None


class BatchResult(msgspec.Struct):
    accepted: int
    rejected: int
    items: list[ItemResult]


@dataclass(frozen=True, slots=True)
class Failures:
    """The use cases around failure reports. ``partitions``: of this installation."""

    publisher: Publisher
    partitions: int

    async def report(self, text: bytes, idempotency_key: str, request: Request) -> tuple[bytes, str]:
        """Publishes one report; returns the JSON answer and the status URL. Raises Problem 400, 422, 503."""
        report = parse(text, request.workspace, request.now_ms)
        event_id = report.event_id
        if idempotency_key:
            event_id = keyed_id(request.workspace, "POST", "/failures", idempotency_key)
        given = bool(event_id)
        event_id = event_id or new_ids(1)[0]
        attributes = envelope(DOMAIN, FailureReported, event_id, request, sender_given=given, outcome="record")
        if report.payload:
            await self.publisher.publish(payload_record(report.payload, self.partitions))
        await self.publisher.publish(record(DOMAIN, report.entity, report.event, attributes, self.partitions))
        status_url = f"/commands/{event_id}"
        answer = Accepted(event_id, report.event.identifier, report.event.identity_reason, status_url, report.entity)
        return encode(answer), status_url

    async def report_all(self, items: Sequence[bytes | msgspec.Raw], key: str, request: Request) -> tuple[int, bytes]:
        """Publishes many reports; returns 202, or 422 when none could be accepted, and the JSON answer.

        Raises Problem 503 for all of them: a repeat with the same Idempotency-Key or event ids counts each once.
        """
        results, records, payloads = self._read_all(items, key, request)
        if payloads:
            await self.publisher.publish_all(payloads)
        if records:
            await self.publisher.publish_all(records)
        body = BatchResult(len(records), len(results) - len(records), results)
        return (202 if records or not results else 422), encode(body)

    def _read_all(
        self, items: Sequence[bytes | msgspec.Raw], key: str, request: Request
    ) -> tuple[list[ItemResult], list[Record], list[Record]]:
        workspace, now = request.workspace, request.now_ms
        results: list[ItemResult] = []
        records: list[Record] = []
        payloads: dict[bytes, Record] = {}
        headers = _SharedHeaders(request)
        for index, (item, random_id) in enumerate(zip(items, new_ids(len(items)), strict=True)):
            try:
                report = parse_item(item, workspace, now)
            except Problem as problem:
                results.append(ItemResult(index, problem.status, problem=problem.document()))
                continue
            given = report.event_id or (keyed_id(workspace, "POST", "/failures/batch", key, index) if key else "")
            event_id = given or random_id
            records.append(self._item_record(report, headers.of(event_id, bool(given)), workspace))
            if report.payload:
                payload = payload_record(report.payload, self.partitions)
                payloads[payload.key] = payload
            results.append(ItemResult(index, 202, event_id))
        return results, records, list(payloads.values())

    def _item_record(self, report: Report, headers: list[tuple[str, bytes]], workspace: str) -> Record:
        return Record(*routing(DOMAIN, workspace, report.entity, self.partitions), encode(report.event), headers)


class _SharedHeaders:
    """Headers of a batch: all but the id are the same, and building them anew would cost as much as parsing."""

    def __init__(self, request: Request) -> None:
        template = envelope(DOMAIN, FailureReported, "", request)
        self._shared = [header for header in to_headers(template) if header[0] != "ce_id"]
        self._given = [*self._shared, ("ce_sendergiven", b"true")]

    def of(self, event_id: str, given: bool) -> list[tuple[str, bytes]]:
        return [*(self._given if given else self._shared), ("ce_id", event_id.encode())]


def split(text: bytes, content_type: str) -> Sequence[bytes | msgspec.Raw]:
    """The items of a batch: a JSON array, or one JSON value a line (NDJSON).

    The text decides unless the content type names NDJSON. Raises Problem 400, or 422 for too many items.
    """
    check_encoding(text)
    body = text.strip()
    lines = "ndjson" in content_type or "jsonl" in content_type
    items: Sequence[bytes | msgspec.Raw]
    if body.startswith(b"[") and not lines:
        try:
            items = _items.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise unreadable(error) from None
    else:
        items = [line for line in body.split(b"\n") if line.strip()]
    if not items:
        raise invalid([FieldError("body", "too_short", "The batch has no items")])
    if len(items) > MAX_ITEMS:
        raise invalid([FieldError("body", "too_long", f"The batch has {len(items)} items, {MAX_ITEMS} are allowed")])
    return items
