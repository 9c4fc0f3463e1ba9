"""Breaches are noticed at their instant and told once, by real workers, through the death of whoever watches them."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.faults.conftest import Start
from tests.faults.sla import Watch, now, watch
from tests.faults.workers import PARTITIONS
from tests.stages.slack import mock_slack
from tocsin.backtest import judged, recorded_events
from tocsin.events import sla
from tocsin.events.tickets import TicketRegistered
from tocsin.events.times import unix_ms
from tocsin.mock_slack.mailbox import Mailbox
from tocsin.sla_policy import SlaPolicyFile

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

TICKETS = ("stream", "--domains", "tickets")


@pytest.fixture
async def tickets(bootstrap: str) -> AsyncIterator[Watch]:
    async with watch(bootstrap) as opened:
        yield opened


def goals(resolution: str, **more: object) -> dict[str, object]:
    return {"targets": {"resolution": {"default": {"high": resolution}}}, **more}


async def test_S4_a_breach_reaches_slack_at_its_instant_and_each_step_once(
    start: Start, bootstrap: str, database: str, tickets: Watch
) -> None:
    began = now()
    ladders = {"two": {"steps": [{"channels": "slack"}, {"after": "2s", "channels": "slack"}]}}
    mailbox = Mailbox(rate=100)
    async with mock_slack(mailbox) as base:
        start(*TICKETS)
        start("deliver", DATABASE_URL=database, SLACK_WEBHOOK_URL=f"{base}/services/T0/B0/ops")
        await tickets.govern(goals("3s", ladders=ladders, escalation=[{"ladder": "two"}]))
        # a worker that is still starting when a step is due tells it together with the next one
        await tickets.until(lambda: len(tickets.of(sla.SlaPolicyApplied)) == PARTITIONS)
        await tickets.report("S4-slack", title="Checkout & payments <down>")
        await tickets.until(lambda: len(tickets.of(sla.NotificationRecorded)) == 2)
    assert [fact.result for fact in tickets.of(sla.NotificationRecorded)] == ["succeeded", "succeeded"]
    assert [(fact.level, fact.told.step) for fact in tickets.of(sla.Escalated)] == [(1, 1), (2, 2)]
    (breached,) = tickets.of(sla.ClockBreached)
    assert breached.lateness_ms < 3_000
    texts = [one.payload["text"] for one in mailbox.messages()]
    assert texts == [
        "SLA breached: resolution: Checkout &amp; payments &lt;down&gt; (S4-slack)",
        "Still overdue: resolution, level 2: Checkout &amp; payments &lt;down&gt; (S4-slack)",
    ]
    # decided again under a milder policy, of what the log has
    recorded = await recorded_events(bootstrap, "tickets", began)
    milder = SlaPolicyFile.model_validate(goals("1h")).body()
    outcome = judged(recorded, milder, {}, now())
    assert (outcome.tickets, outcome.clocks) == (1, {"resolution": {"running": 1}})


async def test_S3_every_breach_is_decided_once_through_the_death_of_an_owner(start: Start, tickets: Watch) -> None:
    """Two workers; one is killed when the first breaches are in, and one more while the rest is due."""
    count = 200
    workers = [start(*TICKETS) for _ in range(2)]
    await tickets.govern(goals("4s", ladders={"one": {"steps": [{}]}}, escalation=[{"ladder": "one"}]))
    for number in range(count):
        await tickets.report(f"S3-{number}")
    await tickets.until(lambda: len(tickets.of(TicketRegistered)) == count)
    await tickets.until(lambda: len(tickets.of(sla.ClockBreached)) >= 1)
    workers[0].send(signal.SIGKILL)
    await tickets.until(lambda: len(tickets.of(sla.ClockBreached)) >= count // 2)
    workers[1].send(signal.SIGKILL)
    await tickets.until(lambda: len(tickets.of(sla.Escalated)) >= count)
    await tickets.report("S3-last")  # what was decided twice would be read before this one
    await tickets.until(lambda: any(fact.ticket_id == "S3-last" for fact in tickets.of(sla.Escalated)))
    for kind in (sla.ClockBreached, sla.Escalated):
        told = Counter(fact.ticket_id for fact in tickets.of(kind))
        assert told == Counter([*(f"S3-{number}" for number in range(count)), "S3-last"])
    for fact in tickets.of(sla.ClockBreached):
        assert fact.clock.breached_at == tickets_due(tickets, fact.ticket_id)


def tickets_due(tickets: Watch, ticket_id: str) -> str:
    (registered,) = [fact for fact in tickets.of(TicketRegistered) if fact.ticket_id == ticket_id]
    (clock,) = registered.clocks
    due: str = clock.due_at
    return due


async def test_S6_another_policy_reaches_thousands_of_open_tickets_and_lets_others_pass(
    start: Start, tickets: Watch, long: bool
) -> None:
    count = 10_000 if long else 300
    start(*TICKETS)
    await tickets.govern(goals("1h"))
    for number in range(count):
        await tickets.report(f"S6-{number}")
    await tickets.until(lambda: len(tickets.of(TicketRegistered)) == count, 120)
    await tickets.govern(goals("2h"))
    asked = now()
    await tickets.report("S6-meanwhile")
    await tickets.until(lambda: any(fact.ticket_id == "S6-meanwhile" for fact in tickets.of(TicketRegistered)))
    meanwhile = next(fact for fact in tickets.of(TicketRegistered) if fact.ticket_id == "S6-meanwhile")
    assert unix_ms(meanwhile.at) - asked < 5_000
    await tickets.until(lambda: len(retargeted(tickets)) >= count, 120)
    assert Counter(fact.ticket_id for fact in retargeted(tickets)).most_common(1)[0][1] == 1
    assert {fact.why for fact in retargeted(tickets)} == {"policy"}


def retargeted(tickets: Watch) -> list[sla.ClockRetargeted]:
    """Those of this test: open tickets of others hear of every policy, too."""
    return [fact for fact in tickets.of(sla.ClockRetargeted) if fact.ticket_id.startswith("S6-")]
