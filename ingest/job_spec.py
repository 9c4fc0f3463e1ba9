"""The body of a job: every wrong field at once, or a spec, the changes to one, or just its schedule. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from tocsin.cron import DstPolicy
from tocsin.egress.policy import EgressPolicy
from tocsin.encryption import Cipher
from tocsin.events.jobs import JobSpec
from tocsin.events.topics import INLINE_PAYLOAD_BYTES
from tocsin.ingest import job_schedule
from tocsin.ingest.job_fields import Reader, Wrong, readers
from tocsin.ingest.job_schedule import Schedule
from tocsin.ingest.sources.json_text import check_depth, check_encoding, members, one_line, unreadable
from tocsin.problems import FieldError, Problem, invalid

NEEDED: Final = ("name", "callback_url")
_DEFAULTS: Final[Mapping[str, Any]] = {
    one.name: one.default_factory() if one.default is msgspec.NODEFAULT else one.default
    for one in msgspec.structs.fields(JobSpec)
    if not one.required
}
_NULL: Final = b"null"


@dataclass(frozen=True, slots=True)
class Body:
    """What a body says. ``values``: fields of a spec, without those of the schedule and without the payload.

    payload: JSON text, empty for none; by_digest: it travels apart. payload_given: whether the body speaks of it.
    cleared: fields given as null.
    """

    schedule: Schedule | None
    values: dict[str, Any]
    payload: bytes = b""
    by_digest: bool = False
    payload_given: bool = False
    cleared: tuple[str, ...] = field(default=())

    @property
    def stored_payload(self) -> bytes:
        """What has to be in the payloads topic first."""
        return self.payload if self.by_digest else b""

    @property
    def zone_name(self) -> str:
        return str(self.values.get("timezone", "UTC"))

    @property
    def dst(self) -> DstPolicy:
        found: DstPolicy = self.values.get("dst", "vixie")
        return found

    def spec(self) -> JobSpec:
        """For a body with all that is needed."""
        assert self.schedule is not None  # noqa: S101 - it was needed
        return JobSpec(**self.values, **self.schedule.columns(), **self._payload())

    def changes(self) -> dict[str, Any]:
        """By the names of a spec; null puts the default back."""
        found = {name: _DEFAULTS[name] for name in self.cleared} | self.values
        if self.schedule is not None:
            found |= self.schedule.columns()
        return found | ({"payload": None, "payload_digest": ""} | self._payload() if self.payload_given else {})

    def _payload(self) -> dict[str, Any]:
        if self.stored_payload:
            return {"payload_digest": hashlib.sha256(self.payload).hexdigest()}
        return {"payload": msgspec.Raw(self.payload)} if self.payload else {}


@dataclass(frozen=True, slots=True)
class Bodies:
    """Reads bodies under one egress policy. All methods raise Problem 400 with every field that is wrong."""

    policy: EgressPolicy
    cipher: Cipher

    def created(self, text: bytes, now: datetime) -> Body:
        return self._read(text, now, needed=NEEDED, scheduled=True)

    def changed(self, text: bytes, now: datetime) -> Body:
        """Any fields. What belongs together comes together: cron_format with cron; timezone with a naive run_at."""
        return self._read(text, now, keeping=True)

    def previewed(self, text: bytes, now: datetime) -> Body:
        """A schedule, and whatever else of a job is there already."""
        return self._read(text, now, keeping=True, scheduled=True)

    def _read(
        self,
        text: bytes,
        now: datetime,
        *,
        needed: tuple[str, ...] = (),
        scheduled: bool = False,
        keeping: bool = False,
    ) -> Body:
        given = _members(text)
        known = readers(self.policy, self.cipher, keeping=keeping)
        cleared = [name for name in known if name in given and _absent(given, name)]
        values, wrong = _values(given, known)
        errors = _unknown(given, known) + _needed(given, needed) + wrong
        if keeping and not scheduled:
            errors += [FieldError(name, "null", f"{name} is always needed") for name in cleared if name in NEEDED]
        when = {name: _decoded(given[name]) for name in job_schedule.FIELDS if not _absent(given, name)}
        zone, dst = values.get("timezone"), values.get("dst", "vixie")
        schedule, wrong = job_schedule.read(when, zone, dst, now, needed=scheduled)
        errors += [one for one in wrong if not _follows(one, errors)]
        if errors:
            raise invalid(errors, 400)
        payload = _payload(given)
        columns = tuple(known[name][0] for name in cleared if name not in NEEDED)  # a preview does without them
        apart = len(payload) > INLINE_PAYLOAD_BYTES or (keeping and not _survives(payload))
        return Body(schedule, values, payload, apart, "payload" in given, columns)


def _members(text: bytes) -> dict[str, msgspec.Raw]:
    check_encoding(text)
    check_depth(text)
    try:
        return members(text)
    except Problem as problem:
        if problem.status == 422:
            raise invalid([FieldError("body", "type", "The body must be a JSON object")], 400) from None
        raise


def _decoded(text: msgspec.Raw) -> Any:
    """Members are decoded one by one, so what is no text inside a string shows only here. Raises Problem 400."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unreadable(error) from None


def _absent(given: Mapping[str, msgspec.Raw], name: str) -> bool:
    return name not in given or bytes(given[name]) == _NULL


def _payload(given: Mapping[str, msgspec.Raw]) -> bytes:
    return b"" if _absent(given, "payload") else one_line(bytes(given["payload"]))


def _survives(payload: bytes) -> bool:
    """Whether it is the same text after it was decoded and encoded, as changes are on their way; 1e400 is not."""
    try:
        return not payload or msgspec.json.encode(msgspec.json.decode(payload)) == payload
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _needed(given: Mapping[str, msgspec.Raw], needed: tuple[str, ...]) -> list[FieldError]:
    return [FieldError(name, "missing", f"{name} is needed") for name in needed if _absent(given, name)]


def _unknown(given: Mapping[str, msgspec.Raw], known: Mapping[str, Any]) -> list[FieldError]:
    names = (*known, *job_schedule.FIELDS, "payload")
    return [
        FieldError(name[:100], "unknown_field", "a job has no such field", sorted(names))
        for name in given
        if name not in names
    ]


def _values(
    given: Mapping[str, msgspec.Raw], known: Mapping[str, tuple[str, Reader]]
) -> tuple[dict[str, Any], list[FieldError]]:
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, (column, read) in known.items():
        if _absent(given, name):
            continue
        try:
            values[column] = read(_decoded(given[name]))
        except Wrong as error:
            errors += [
                dataclasses.replace(one, field=f"{name}.{one.field}" if one.field else name) for one in error.errors
            ]
    return values, errors


def _follows(error: FieldError, errors: list[FieldError]) -> bool:
    """A missing offset is no error of its own when the zone was given and is wrong."""
    return error.code == "offset_missing" and any(one.field == "timezone" for one in errors)
