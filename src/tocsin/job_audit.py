"""``tocsin jobs audit``: the slots an expression has, against what was decided of each. Reads, writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from tocsin.cron import DstPolicy, next_after, parse, slots_between, zone
from tocsin.events.times import rfc3339, round_down_ms

GRACE: Final = timedelta(seconds=60)
"""A slot that is not older than this may still be on its way through the log."""
_RAN: Final = ("fired", "late")
_SECOND: Final = timedelta(seconds=1)

_JOBS: Final = """
SELECT workspace, job_id, name, ended_at, status = 'paused' AND catchup_on_resume AS waits FROM read_model.jobs
 WHERE ($1::text IS NULL OR workspace = $1) AND ($2::text IS NULL OR job_id = $2) ORDER BY workspace, job_id
"""
_SPECS: Final = """
SELECT spec_version, cron, run_at, timezone, cron_format, dst, cursor FROM read_model.job_specs
 WHERE workspace = $1 AND job_id = $2 ORDER BY spec_version
"""
_SLOTS: Final = """
SELECT spec_version, slot, verdict, decisions, first FROM read_model.job_slots
 WHERE workspace = $1 AND job_id = $2 AND slot > $3
"""


class Spec(NamedTuple):
    """One of the schedules a job had. ``cursor``: slots up to here are none of it. All times are UTC."""

    spec_version: int
    cron: str | None
    run_at: datetime | None
    timezone: str
    cron_format: str | None
    dst: DstPolicy
    cursor: datetime

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Those later than ``after`` and not later than ``until``."""
        if self.cron is not None:
            return slots_between(parse(self.cron, self.cron_format), zone(self.timezone), after, until, self.dst)
        return (one for one in [self.run_at] if one is not None and after < one <= until)

    def has(self, slot: datetime) -> bool:
        if self.cron is None:
            return slot == self.run_at
        return next_after(parse(self.cron, self.cron_format), zone(self.timezone), slot - _SECOND, self.dst) == slot


class Decided(NamedTuple):
    """What was decided of a slot, and how often. first: the verdict is also that of the slots from there on."""

    spec_version: int
    slot: datetime
    verdict: str
    decisions: int = 1
    first: datetime | None = None


class Finding(NamedTuple):
    """hole: a slot without a verdict; double: one that ran or was decided twice; stray: a run without a slot."""

    kind: Literal["hole", "double", "stray"]
    slot: datetime
    spec_version: int
    detail: str


def audit(specs: Sequence[Spec], decided: Sequence[Decided], since: datetime, until: datetime) -> list[Finding]:
    """What is wrong with one job's slots later than ``since`` and not later than ``until``, in order of time.

    specs: in order of their versions.
    """
    found = [*_holes(specs, decided, since, until), *_doubles(decided), *_strays(specs, decided)]
    return sorted(found, key=lambda one: (one.slot, one.spec_version, one.kind))


def _holes(specs: Sequence[Spec], decided: Sequence[Decided], since: datetime, until: datetime) -> Iterator[Finding]:
    known = {(one.spec_version, one.slot) for one in decided}
    ranges = [(one.spec_version, one.first, one.slot) for one in decided if one.first is not None]
    ends = [spec.cursor for spec in specs[1:]] + [until] * bool(specs)
    for spec, end in zip(specs, ends, strict=True):
        mine = [(first, slot) for version, first, slot in ranges if version == spec.spec_version]
        for slot in spec.slots(max(spec.cursor, since), min(end, until)):
            if (spec.spec_version, slot) not in known and not any(low <= slot < high for low, high in mine):
                yield Finding("hole", slot, spec.spec_version, "nothing was decided of it")


def _doubles(decided: Sequence[Decided]) -> Iterator[Finding]:
    ran: dict[datetime, list[int]] = defaultdict(list)
    for one in decided:
        if one.decisions > 1:
            yield Finding("double", one.slot, one.spec_version, f"it was decided {one.decisions} times")
        if one.verdict in _RAN:
            ran[one.slot].append(one.spec_version)
    for slot, versions in ran.items():
        if len(versions) > 1:
            listed = ", ".join(map(str, sorted(versions)))
            yield Finding("double", slot, max(versions), f"it ran under the versions {listed} of the schedule")


def _strays(specs: Sequence[Spec], decided: Sequence[Decided]) -> Iterator[Finding]:
    by_version = {spec.spec_version: spec for spec in specs}
    for one in decided:
        spec = by_version.get(one.spec_version)
        if one.verdict in _RAN and (spec is None or not spec.has(one.slot)):
            yield Finding("stray", one.slot, one.spec_version, "it ran, but the schedule has no such slot")


# --- all jobs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Audited:
    """One job: how many slots were looked at, and what is wrong."""

    workspace: str
    job_id: str
    name: str
    slots: int
    findings: Sequence[Finding]

    def document(self) -> dict[str, Any]:
        return {
            "workspace": self.workspace,
            "job_id": self.job_id,
            "name": self.name,
            "slots": self.slots,
            "findings": [one._asdict() | {"slot": rfc3339(round_down_ms(one.slot))} for one in self.findings],
        }


async def audits(
    connection: Any, since: datetime, now: datetime, workspace: str | None = None, job_id: str | None = None
) -> list[Audited]:
    """Every job, or those asked for. ``connection``: asyncpg. Raises database errors."""
    found = []
    for job in await connection.fetch(_JOBS, workspace, job_id):
        specs = [Spec(*row) for row in await connection.fetch(_SPECS, job["workspace"], job["job_id"])]
        decided = [Decided(*row) for row in await connection.fetch(_SLOTS, job["workspace"], job["job_id"], since)]
        until = min(now - GRACE, job["ended_at"] or now)
        if job["waits"]:  # what it passes while it is paused is decided when it is resumed
            until = min(until, max((one.slot for one in decided), default=since))
        findings = audit(specs, decided, since, until.astimezone(UTC))
        found.append(Audited(job["workspace"], job["job_id"], job["name"], len(decided), findings))
    return found
