"""Facts about jobs made by hand: a random history of each, as records; nothing here decides."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tocsin.events import jobs as contract
from tocsin.events.commands import Cause, Fact
from tocsin.events.identity import partition_of, quota_entity, record_key, run_id
from tocsin.events.jobs import JobSpec
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.events.topics import facts_topic
from tocsin.projections.projection import Record

PARTITIONS = 2
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
NAMES, TAGS = ("nightly report", "100% backup", "back_up", "ping"), ("ops", "billing", "eu")
VERDICTS = ("coalesced", "skipped", "missed")
_TYPES = {cls: name for name, cls in contract.FACTS.items()}


def text(moment: datetime) -> str:
    return rfc3339(round_down_ms(moment))


@dataclass
class Job:
    """What is known of one: ``status``, ``spec_version``, the last slot that was decided, runs that have not ended."""

    job_id: str
    spec: JobSpec
    status: Any = "active"
    spec_version: int = 1
    slot: datetime = BEGIN
    running: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class JobLog:
    """``records`` in the order they were decided in; each workspace's in its own partition."""

    workspace: str = "default"
    now: datetime = BEGIN
    jobs: list[Job] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    offset: int = 0

    def create(self, **spec: Any) -> Job:
        job_id = f"{quota_entity(self.workspace)}-{len(self.jobs) + 1}"
        given = {"name": "nightly report", "callback_url": "https://example.com/hook"} | spec
        if "run_at" not in given:
            given = {"cron": "* * * * *"} | given
        job = Job(job_id, JobSpec(**given), slot=self.now.replace(second=0, microsecond=0))
        self.jobs.append(job)
        self.say(contract.JobCreated, job, spec=job.spec, actor="ana", cursor=text(self.now))
        return job

    def update(self, job: Job, **changes: Any) -> None:
        job.spec, job.spec_version = msgspec.structs.replace(job.spec, **changes), job.spec_version + 1
        said = {"spec": job.spec, "spec_version": job.spec_version, "changed": tuple(changes), "actor": "bo"}
        self.say(contract.JobUpdated, job, **said, cursor=text(self.now))

    def fire(self, job: Job, verdict: str = "fired") -> str:
        job.slot += timedelta(minutes=1)
        slot = text(job.slot)
        run = run_id(job.job_id, job.spec_version, slot)
        request = contract.RunRequest(delivery_id="d_x-1", not_before=slot, scheduled_for=slot, spec=job.spec)
        said = {"slot": slot, "verdict": verdict, "run_id": run, "spec_version": job.spec_version, "lateness_ms": 7}
        self.say(contract.SlotFired, job, **said, request=request)
        job.running.append((run, slot))
        return run

    def run_now(self, job: Job) -> str:
        run, at = f"manual-{self.offset}", text(self.now)
        request = contract.RunRequest(delivery_id="d_x-2", not_before=at, scheduled_for=at, spec=job.spec)
        self.say(contract.RunStarted, job, run_id=run, actor="ana", request=request)
        job.running.append((run, at))
        return run

    def finish(self, job: Job, result: str, nth: int = 0) -> None:
        run, slot = job.running.pop(nth)
        said = {"run_id": run, "slot": slot, "result": result, "attempts": 1, "finished_at": text(self.now)}
        self.say(contract.RunFinished, job, **said, name=job.spec.name, callback_url=job.spec.callback_url)

    def passed(self, job: Job, verdict: str, count: int, more: int = 0) -> None:
        """``more`` older ones, then ``count`` that are listed."""
        first = job.slot + timedelta(minutes=1)
        listed = [first + timedelta(minutes=more + nth) for nth in range(count)]
        job.slot = listed[-1]
        said = {"slots": tuple(int(one.timestamp()) * 1000 for one in listed), "spec_version": job.spec_version}
        self.say(contract.SlotsPassed, job, verdict=verdict, **said, more=more, first=text(first) if more else "")

    def become(self, job: Job, status: str) -> None:
        job.status = status
        kinds: dict[str, Any] = {"paused": contract.JobPaused, "active": contract.JobResumed}
        kinds |= {"deleted": contract.JobDeleted}
        if status == "disabled":
            self.say(contract.JobDisabled, job)
        else:
            self.say(kinds[status], job, actor="ana")

    def say(self, kind: type[Any], job: Job, **said: Any) -> None:
        next_run = text(job.slot + timedelta(minutes=1)) if job.status == "active" else ""
        said = {"job_id": job.job_id, "status": job.status, "next_run": next_run} | said
        self.add(kind, job.job_id, **said)

    def add(self, kind: type[Any], entity: str, rule: str = "asked", **said: Any) -> None:
        self.now += timedelta(milliseconds=137)
        cause = Cause(f"e{self.offset}", "tocsin.jobs.TimerDue.v1", 0, self.offset, rule)
        fact = kind(entity=entity, at=text(self.now), cause=cause, **said)
        key, name = record_key(self.workspace, entity), _TYPES[kind]
        headers = [("ce_type", name.encode()), ("ce_workspace", self.workspace.encode())]
        value = msgspec.json.encode(fact)
        partition = partition_of(key, PARTITIONS)
        self.facts.append(fact)
        self.records.append(Record(facts_topic("jobs"), partition, self.offset, 0, key, value, headers))
        self.offset += 1


def random_log(count: int, seed: int, workspace: str = "default") -> JobLog:
    chance = random.Random(seed)
    log = JobLog(workspace)
    while len(log.facts) < count:
        log.now += timedelta(seconds=chance.randrange(40))
        alive = [job for job in log.jobs if job.status != "deleted"]
        if not alive or (chance.random() < 0.08 and len(log.jobs) < 40):
            log.create(**_spec(chance))
            log.add(contract.QuotaChanged, quota_entity(workspace), job_id=log.jobs[-1].job_id, active=len(alive))
        else:
            _step(chance, log, chance.choice(alive))
    return log


def _spec(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": chance.choice(NAMES),
        "tags": tuple(chance.sample(TAGS, chance.randrange(3))),
        "headers": chance.choice(({}, {"X-Team": "ops", "X-Api-Key": "sealed:v1:abc"})),
        "payload": chance.choice((contract.NO_PAYLOAD, msgspec.Raw(b'{"n":1e400,"z":"\\u0000"}'))),
        "callback_url": chance.choice(("https://example.com/Report", "https://hooks.example.org/x")),
    }
    return found if chance.random() < 0.8 else found | {"run_at": text(BEGIN + timedelta(days=400))}


def _step(chance: random.Random, log: JobLog, job: Job) -> None:
    roll = chance.random()
    if roll < 0.35:
        log.fire(job, chance.choice(("fired", "late")))
    elif roll < 0.6 and job.running:
        log.finish(job, chance.choice(("succeeded", "failed", "gone", "cancelled")), chance.randrange(len(job.running)))
    elif roll < 0.7:
        log.passed(job, chance.choice(VERDICTS), chance.randrange(1, 4), chance.choice((0, 0, 5)))
    elif roll < 0.75:
        log.run_now(job)
    elif roll < 0.82:
        log.update(job, **_spec(chance) | {"run_at": "", "cron": "*/5 * * * *"})
    elif roll < 0.97:
        log.become(job, chance.choice(("paused", "active", "disabled")))
    else:
        log.become(job, "deleted")
