"""Facts about reports, clocks and escalation as the decide stage would write them, for tests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.unit.projections.fact_log import FactLog, Ticket
from tocsin.events import sla
from tocsin.events import tickets as contract
from tocsin.events.commands import Answer
from tocsin.events.times import rfc3339
from tocsin.events.vocabulary import METRICS, PRIORITIES, Metric

POLICY = "9f86d081884c7d65"
TARGET_MS = 3_600_000


@dataclass
class Served:
    """A ticket with what its next fact depends on."""

    ticket: Ticket
    priority: Any = "high"
    tier: str = "default"
    level: int = 0
    clocks: dict[Metric, sla.Clock] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def ticket_id(self) -> str:
        return self.ticket.ticket_id


@dataclass
class ServiceLog:
    """Writes into a FactLog; ``same_event``: caused by the event of the fact before."""

    log: FactLog = field(default_factory=FactLog)

    def registered(self, ticket_id: str = "T-1", *, answers: tuple[Answer, ...] = (), **more: Any) -> Served:
        cause = self.log.cause("first_report")
        fact = contract.TicketRegistered(
            **{
                "entity": ticket_id,
                "at": self.log.at,
                "cause": cause,
                "answers": answers,
                "ticket_id": ticket_id,
                "priority": "high",
                "customer_tier": "gold",
                "source_updated_at": "2025-10-09T08:53:20.000Z",
                "status": "open",
                "created_at": "2025-10-09T07:53:20.000Z",
                **more,
            }
        )
        self.log.write(fact)
        served = Served(Ticket(ticket_id, ticket_id, "", ticket_id, 0, status=fact.status), fact.priority, "gold")
        served.clocks = {clock.metric: clock for clock in contract.first_clocks(fact)}
        return served

    def opened(self, workflow: str = "deploy", identifier: str = "run-1", **more: Any) -> Served:
        """A failure's ticket. ``clocks``: those it begins with."""
        first = more.pop("clocks", ())
        served = Served(self.log.opened(workflow, identifier, clocks=first, **more))
        served.clocks = {clock.metric: clock.whole("high", "default", self.log.at) for clock in first}
        return served

    def first_clocks(self, **more: Any) -> tuple[sla.StartedClock, ...]:
        """As a ticket begins with that comes next."""
        at = self.log.now + 40
        said: dict[str, Any] = {
            "target_ms": TARGET_MS,
            "calendar": "24x7",
            "policy_version": POLICY,
            "due_at": rfc3339(at + TARGET_MS),
        }
        return tuple(sla.StartedClock(metric=metric, **(said | more)) for metric in METRICS)

    def revised(self, served: Served, **more: Any) -> None:
        fact = contract.TicketRevised(
            **{
                **self._common(served, "newer"),
                "priority": served.priority,
                "customer_tier": served.tier,
                "source_updated_at": self.log.at,
                "from_priority": served.priority,
                "from_customer_tier": served.tier,
                **more,
            }
        )
        served.priority, served.tier = fact.priority, fact.customer_tier
        self.log.write(fact)

    def raised(self, served: Served, priority: Any) -> None:
        common = self._common(served, "more_severe")
        self.log.write(
            contract.PriorityRaised(**common, from_priority=served.priority, priority=priority, severity="critical")
        )
        served.priority = priority

    def started(self, served: Served, metric: Any = "resolution", *, same_event: bool = False, **more: Any) -> None:
        common = self._common(served, "ticket_opened", same_event=same_event)
        cycle = served.clocks[metric].cycle + 1 if metric in served.clocks else 1
        clock = sla.Clock(
            **{
                "metric": metric,
                "cycle": cycle,
                "stage": "in_progress",
                "priority": served.priority,
                "customer_tier": served.tier,
                "target_ms": TARGET_MS,
                "calendar": "24x7",
                "policy_version": POLICY,
                "started_at": self.log.at,
                "elapsed_ms": 0,
                "as_of": self.log.at,
                "due_at": rfc3339(self.log.now + TARGET_MS),
                **more,
            }
        )
        self._clock(sla.ClockStarted, common, served, clock)

    def warned(self, served: Served, metric: Metric, percent: int = 75, *, same_event: bool = False) -> None:
        common = self._common(served, "threshold_passed", same_event=same_event)
        clock = msgspec.structs.replace(served.clocks[metric], warned_percent=percent)
        self._clock(sla.ClockWarned, common, served, clock, percent=percent, warned_at=self.log.at)

    def breached(self, served: Served, metric: Metric, *, same_event: bool = False, lateness_ms: int = 7) -> None:
        common = self._common(served, "due_passed", same_event=same_event)
        due_at = rfc3339(self.log.now - lateness_ms)
        clock = msgspec.structs.replace(served.clocks[metric], breached_at=due_at, detected_at=self.log.at)
        self._clock(sla.ClockBreached, common, served, clock, lateness_ms=lateness_ms, level=served.level + 1)

    def paused(self, served: Served, metric: Metric, *, same_event: bool = False) -> None:
        common = self._common(served, "pause_status", same_event=same_event)
        at = {"paused_at": self.log.at, "as_of": self.log.at}
        clock = msgspec.structs.replace(
            served.clocks[metric], stage="paused", due_at="", pause_reason="pending", elapsed_ms=1000, **at
        )
        self._clock(sla.ClockPaused, common, served, clock)

    def resumed(self, served: Served, metric: Metric, *, same_event: bool = False) -> None:
        common = self._common(served, "status_left", same_event=same_event)
        clock = msgspec.structs.replace(
            served.clocks[metric],
            stage="in_progress",
            due_at=rfc3339(self.log.now + TARGET_MS),
            paused_at="",
            pause_reason="",
            paused_ms=served.clocks[metric].paused_ms + 500,
            as_of=self.log.at,
        )
        self._clock(sla.ClockResumed, common, served, clock)

    def stopped(self, served: Served, metric: Metric, *, same_event: bool = False) -> None:
        common = self._common(served, "resolved", same_event=same_event)
        old = served.clocks[metric]
        clock = msgspec.structs.replace(
            old,
            stage="completed",
            due_at="",
            stopped_at=self.log.at,
            as_of=self.log.at,
            result="breached" if old.breached_at else "met",
        )
        self._clock(sla.ClockStopped, common, served, clock)

    def escalated(self, served: Served, metric: Any = "resolution", *, same_event: bool = False, **more: Any) -> None:
        common = self._common(served, "ladder", same_event=same_event)
        number = len(served.messages) + 1
        message = sla.Notification(
            notification_id=f"{served.ticket_id}-n{number}",
            delivery_id=f"d_aaaaaaaaaaaaaaaaaaaaaaaaaa-{number}",
            channel="slack",
            kind="slack",
            url="sealed:v1:x",
        )
        told = sla.EscalationStep(reason="breach", metric=metric, cycle=1, due_at=self.log.at, loop=number)
        fact = sla.Escalated(
            **{
                **common,
                "level": served.level + 1,
                "from_level": served.level,
                "cap": 3,
                "told": told,
                "ladder": "default",
                "subject": "Checkout is down",
                "priority": served.priority,
                "customer_tier": served.tier,
                "clock": served.clocks.get(metric),
                "notifications": (message,),
                "link": "http://localhost:8000/tickets/T-1",
                **more,
            }
        )
        served.level = fact.level
        served.messages += [one.notification_id for one in fact.notifications]
        self.log.write(fact)

    def acknowledged(self, served: Served) -> None:
        self.log.write(sla.TicketAcknowledged(**self._common(served, "asked"), actor="ana", reason="on it"))

    def snoozed(self, served: Served) -> None:
        until = rfc3339(self.log.now + 3_600_000)
        self.log.write(sla.TicketSnoozed(**self._common(served, "asked"), until=until, actor="ana"))

    def recorded(self, served: Served, notification_id: str, result: Any = "succeeded") -> None:
        common = self._common(served, result)
        self.log.write(
            sla.NotificationRecorded(
                **common,
                notification_id=notification_id,
                delivery_id="d_aaaaaaaaaaaaaaaaaaaaaaaaaa-1",
                result=result,
                attempts=2,
                finished_at=self.log.at,
                status=200,
            )
        )

    def policy(self, version: str = POLICY, body: dict[str, Any] | None = None) -> None:
        cause = self.log.cause("policy_activated")
        fact = sla.SlaPolicyApplied(
            entity="policy/tickets", at=self.log.at, cause=cause, policy_version=version, body=body or {"calendars": {}}
        )
        self.log.write(fact)

    def _common(self, served: Served, rule: str, *, same_event: bool = False) -> dict[str, Any]:
        cause = self.log.cause(rule, same_event=same_event)
        return {"entity": served.ticket.entity, "at": self.log.at, "cause": cause, "ticket_id": served.ticket_id}

    def _clock(self, kind: Any, common: dict[str, Any], served: Served, clock: sla.Clock, **more: Any) -> None:
        served.clocks[clock.metric] = clock
        self.log.write(kind(**common, clock=clock, **more))


def random_step(service: ServiceLog, served: list[Served], choose: random.Random) -> None:
    """One more possible event about a few tickets, with all its facts."""
    if len(served) < 2 or choose.random() < 0.1:
        number = len(served)
        # older logs say the first clocks afterwards
        first = service.first_clocks() if choose.random() < 0.7 else ()
        if choose.random() < 0.5:
            new = service.registered(f"T-{number}", priority=choose.choice(PRIORITIES), clocks=first)
        else:
            new = service.opened("deploy", f"run-{number}", severity="error", clocks=first)
        served.append(new)
        if not new.clocks:
            for metric in METRICS:
                service.started(new, metric, same_event=True)
        return
    one = choose.choice(served)
    running = [metric for metric, clock in one.clocks.items() if clock.stage == "in_progress"]
    paused = [metric for metric, clock in one.clocks.items() if clock.stage == "paused"]
    possible: Sequence[str] = ("count", "revise", "breach", "warn", "pause", "stop", "ack", "snooze", "record", "raise")
    what = choose.choice(possible)
    if what == "count" and one.ticket.episode:
        service.log.counted(one.ticket)
    elif what == "revise":
        service.revised(one, priority=choose.choice(PRIORITIES), title=choose.choice((None, "new")), tags=("a", "b"))
    elif what == "breach" and running:
        for at, metric in enumerate(running):
            service.breached(one, metric, same_event=at > 0)
        service.escalated(one, running[0], same_event=True)
        service.escalated(one, running[0], same_event=True)
    elif what == "warn" and running:
        service.warned(one, running[0], choose.choice((75, 90)))
    elif what == "pause" and running:
        service.log.changed(one.ticket, "pending")
        for metric in running:
            service.paused(one, metric, same_event=True)
    elif what == "pause" and paused:
        service.log.changed(one.ticket, "open")
        for metric in paused:
            service.resumed(one, metric, same_event=True)
    elif what == "stop" and running and one.ticket.status != "done":
        service.log.changed(one.ticket, "done")
        for metric in running:
            service.stopped(one, metric, same_event=True)
    elif what == "ack":
        service.acknowledged(one)
    elif what == "snooze":
        service.snoozed(one)
    elif what == "record" and one.messages:
        service.recorded(one, choose.choice(one.messages), choose.choice(("succeeded", "failed")))
    else:
        service.policy(f"version-{choose.randrange(3)}")


def random_service_log(steps: int, seed: int, *, partition: int = 0) -> FactLog:
    choose = random.Random(seed)
    service = ServiceLog(FactLog(partition=partition))
    served: list[Served] = []
    for _ in range(steps):
        random_step(service, served, choose)
    return service.log
