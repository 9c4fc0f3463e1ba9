"""What clients hear of each fact as it happens, and what stays silent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.domain import given, incident_story, job_story
from tests.unit.domain.given import FIRST, SECOND, change, failure, hide, success
from tests.unit.domain.incident_story import FIRST as INCIDENT
from tests.unit.domain.incident_story import GROUP, HOUR, OTHER, cleared, move, raised, updated
from tests.unit.domain.job_story import MINUTE
from tocsin.events import incidents as incidents_contract
from tocsin.events.commands import Fact
from tocsin.events.live import TYPES, LiveEvent
from tocsin.streams.domain.alerts import ALERTS
from tocsin.streams.domain.decision import Domain, no_live
from tocsin.streams.domain.deliveries import DELIVERIES
from tocsin.streams.domain.incidents import INCIDENTS
from tocsin.streams.domain.jobs import JOBS
from tocsin.streams.domain.tickets import TICKETS


def told(domain: Domain[Any, Any], facts: Iterable[Fact]) -> list[LiveEvent]:
    found = [event for fact in facts for event in domain.live(fact)]
    assert {event.type for event in found} <= TYPES.keys()
    return found


TICKETS_TOLD: list[tuple[str, list[Any], list[tuple[str, str, dict[str, Any]]]]] = [
    (
        "a new failure",
        [failure(source="airflow")],
        [
            (
                "ticket.opened",
                FIRST,
                {"status": "open", "workflow": "nightly", "severity": "error", "source": "airflow"},
            )
        ],
    ),
    ("its repeats are silent", [failure(), failure()], []),
    (
        "somebody moves it",
        [failure(), change("in_progress")],
        [("ticket.status_changed", FIRST, {"status": "in_progress", "from_status": "open", "actor": "ana"})],
    ),
    ("to what it is", [failure(), change("open")], []),
    ("where it cannot go", [failure(), change("closed")], []),
    (
        "the next success",
        [failure(), success()],
        [("ticket.status_changed", FIRST, {"status": "done", "from_status": "open", "actor": "github"})],
    ),
    (
        "a failure after it was done",
        [failure(), change("done"), failure(severity="critical")],
        [
            (
                "ticket.reopened",
                FIRST,
                {"status": "open", "from_status": "done", "severity": "critical", "source": "api"},
            )
        ],
    ),
    (
        "a failure after it was closed",
        [failure(), change("done"), change("closed"), failure()],
        [
            (
                "ticket.opened",
                SECOND,
                {
                    "status": "open",
                    "workflow": "nightly",
                    "severity": "error",
                    "source": "api",
                    "previous_ticket_id": FIRST,
                },
            )
        ],
    ),
    ("it leaves the lists", [failure(), change("done"), hide()], [("ticket.hidden", FIRST, {"actor": "ana"})]),
]


@pytest.mark.parametrize(("what", "events", "expected"), TICKETS_TOLD, ids=[case[0] for case in TICKETS_TOLD])
def test_S5_what_clients_hear_of_a_ticket(what: str, events: list[Any], expected: list[Any]) -> None:
    log = given.Log().given(*events[:-1])
    facts = log.when(events[-1])
    found = told(TICKETS, facts)
    assert [(event.type, event.ticket_id, event.data) for event in found] == expected
    assert [event.occurred_at for event in found] == [fact.at for fact in facts if TICKETS.live(fact)]


def merge(world: incident_story.World) -> list[Fact]:
    world.given(raised())
    world.when(raised(1, entity=OTHER), OTHER)
    request = incidents_contract.MergeRequested(incident_id=INCIDENT, source_id=f"{OTHER}-1", actor="ana")
    return world.when(request)


INCIDENTS_TOLD: list[tuple[str, Callable[[incident_story.World], list[Fact]], list[tuple[str, dict[str, Any]]]]] = [
    (
        "the first alert",
        lambda world: world.when(raised()),
        [("incident.opened", {"incident_id": INCIDENT, "status": "OPEN", "severity": "error", "service": "shop"})],
    ),
    ("another alert as bad", lambda world: world.given(raised()).when(raised(1)), []),
    (
        "another alert, worse",
        lambda world: world.given(raised()).when(raised(1, severity="critical")),
        [("incident.severity_raised", {"incident_id": INCIDENT, "severity": "critical", "from_severity": "error"})],
    ),
    (
        "the alert becomes worse",
        lambda world: world.given(raised()).when(updated("critical")),
        [("incident.severity_raised", {"severity": "critical", "from_severity": "error"})],
    ),
    ("the alert becomes better", lambda world: world.given(raised()).when(updated("warning")), []),
    (
        "somebody takes it up",
        lambda world: world.given(raised()).when(move("INVESTIGATING")),
        [("incident.status_changed", {"status": "INVESTIGATING", "from_status": "OPEN", "actor": "ana"})],
    ),
    (
        "the alert is over",
        lambda world: world.given(raised()).when(cleared()),
        [("incident.status_changed", {"status": "RESOLVED", "action": "auto_resolved", "actor": "tocsin"})],
    ),
    ("below the threshold", lambda world: world.when(raised(threshold=2, window_ms=HOUR)), []),
    ("merged", merge, [("incident.merged", {"incident_id": f"{OTHER}-1", "merged_into": INCIDENT, "actor": "ana"})]),
]


@pytest.mark.parametrize(("what", "happens", "expected"), INCIDENTS_TOLD, ids=[case[0] for case in INCIDENTS_TOLD])
def test_S5_what_clients_hear_of_an_incident(
    what: str, happens: Callable[[incident_story.World], list[Fact]], expected: list[tuple[str, dict[str, Any]]]
) -> None:
    found = told(INCIDENTS, happens(incident_story.World()))
    assert [event.type for event in found] == [live_type for live_type, _ in expected]
    for event, (_, data) in zip(found, expected, strict=True):
        assert data.items() <= event.data.items()
        assert event.ticket_id is None
        assert event.data["incident_id"].startswith((GROUP, OTHER))


def test_S5_a_severity_of_an_older_fact_is_no_rise() -> None:
    facts = incident_story.World().given(raised()).when(raised(1, severity="critical"))
    (added,) = [fact for fact in facts if isinstance(fact, incidents_contract.AlertAdded)]
    assert told(INCIDENTS, [replace(added, from_severity=None)]) == []


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("succeeded", []),
        ("cancelled", []),
        ("failed", ["job.run_failed"]),
        ("gone", ["job.run_failed", "job.disabled"]),
    ],
)
def test_S5_what_clients_hear_of_a_run(result: str, expected: list[str]) -> None:
    world = job_story.World()
    world.create()
    world.live(MINUTE)
    (run,) = world.deliveries
    found = told(JOBS, world.end(run, result))
    assert [event.type for event in found] == expected
    if found:
        assert found[0].data["run_id"] == run
        assert (found[0].data["name"], found[0].data["result"]) == ("nightly", result)


def test_domains_without_clients_say_nothing() -> None:
    assert ALERTS.live is DELIVERIES.live is no_live
