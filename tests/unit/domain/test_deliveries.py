"""Deliveries, decision by decision."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.domain.delivery_story import DELIVERY, JOB, ORIGIN, REQUEST, START, Story, attempted, cancel, requested
from tests.unit.domain.delivery_story import said as named
from tocsin.events import deliveries as contract
from tocsin.events import jobs
from tocsin.events.deliveries import Origin, Request
from tocsin.events.times import rfc3339, unix_ms
from tocsin.streams.domain.deliveries import DELIVERIES
from tocsin.streams.domain.delivery_policy import policy_of
from tocsin.streams.domain.delivery_retry import DEFAULT_DELAYS_MS, spread

R, E = "AttemptRecorded", "DeliveryEnded"
EXPECTING = Request(url="https://example.com/hook", expected_status=(201, 302))

CASES: list[tuple[str, list[Any], Any, list[tuple[str, str]]]] = [
    ("a request", [], requested(), [("DeliveryAccepted", "requested")]),
    ("the same request again", [requested()], requested(), []),
    ("a success", [requested()], attempted(), [(R, "success"), (E, "success")]),
    ("a server error", [requested()], attempted(status=503), [(R, "retried_status")]),
    ("no answer in time", [requested()], attempted(status=None, error="timeout"), [(R, "timeout")]),
    ("a client error", [requested()], attempted(status=404), [(R, "final_status"), (E, "final_status")]),
    ("gone", [requested()], attempted(status=410), [(R, "gone"), (E, "gone")]),
    (
        "a destination that may not be reached",
        [requested()],
        attempted(status=None, error="refused_by_egress_policy"),
        [(R, "refused_by_egress_policy"), (E, "refused_by_egress_policy")],
    ),
    (
        "an expected redirect",
        [requested(request=EXPECTING)],
        attempted(status=302, error="redirect"),
        [(R, "expected_status"), (E, "expected_status")],
    ),
    (
        "a success that was not expected",
        [requested(request=EXPECTING)],
        attempted(status=200),
        [(R, "unexpected_status"), (E, "unexpected_status")],
    ),
    (
        "the last attempt",
        [requested(max_attempts=2), attempted(status=500)],
        attempted(2, status=500),
        [(R, "retried_status"), (E, "attempts_exhausted")],
    ),
    (
        "an attempt told twice",
        [requested(), attempted(status=500)],
        attempted(1),
        [("AttemptIgnored", "another_attempt")],
    ),
    ("an attempt after the end", [requested(), attempted()], attempted(), [("AttemptIgnored", "delivery_over")]),
    ("an attempt of nothing", [], attempted(), [("AttemptIgnored", "delivery_over")]),
    ("cancelled", [requested()], cancel(), [(E, "cancelled")]),
    ("cancelled after the end", [requested(), attempted()], cancel(), [("CancellationConfirmed", "nothing_left")]),
    ("cancelled, never heard of", [], cancel(), [("CancellationConfirmed", "nothing_left")]),
    ("cancelled twice", [requested(), cancel()], cancel(), [("CancellationConfirmed", "nothing_left")]),
]


@pytest.mark.parametrize(("given", "when", "then"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_J10_what_an_event_leads_to(given: list[Any], when: Any, then: list[tuple[str, str]]) -> None:
    assert named(Story().given(*given).when(when)) == then


def test_J11_an_attempt_is_recorded_with_everything_that_is_known_of_it() -> None:
    story = Story().given(requested())
    recorded = story.when(attempted(status=503, body="no", body_cut=True, detail="d", retry_after=40))[0]
    assert isinstance(recorded, contract.AttemptRecorded)
    assert (recorded.attempt, recorded.outcome, recorded.status, recorded.body) == (1, "retry", 503, "no")
    assert (recorded.body_cut, recorded.detail, recorded.address) == (True, "d", "192.0.2.1")
    assert (recorded.lateness_ms, recorded.duration_ms, recorded.scheduled_for) == (5, 40, rfc3339(START))
    assert recorded.cause.values == {"attempt": 1, "max_attempts": 4, "retry_after": 40}


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_J10_the_next_attempt_is_a_delay_after_the_end_of_the_one_before(attempt: int) -> None:
    story = Story().given(requested(), *(attempted(nth, status=500) for nth in range(1, attempt)))
    recorded = story.when(attempted(attempt, status=500))[0]
    assert isinstance(recorded, contract.AttemptRecorded)
    wanted = START + 5 + 40 + spread(DEFAULT_DELAYS_MS[attempt - 1], f"run-1:{attempt}")
    assert unix_ms(recorded.next_attempt_at) == wanted
    assert story.state is not None
    assert (story.state.attempt, story.state.not_before) == (attempt + 1, wanted)


def test_J10_it_is_never_tried_more_often_than_asked_for() -> None:
    story = Story().given(requested(), *(attempted(nth, status=500) for nth in range(1, 6)))
    assert sum(isinstance(fact, contract.AttemptRecorded) for fact in story.facts) == 4
    ended = [fact for fact in story.facts if isinstance(fact, contract.DeliveryEnded)]
    assert [(one.result, one.attempts, one.status, one.error) for one in ended] == [
        ("failed", 4, 500, "retried_status")
    ]


def test_J10_the_delays_are_a_policy() -> None:
    story = Story(policy_of({"retry_delays_ms": [1000]})).given(requested(max_attempts=9), attempted(status=500))
    assert story.state is not None
    assert 800 <= story.state.not_before - (START + 45) <= 1200


@pytest.mark.parametrize("body", [{"retry_delays_ms": []}, {"retry_delays_ms": [-1]}, {"retry_delays_ms": "1"}])
def test_a_policy_that_cannot_be_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"delay|array"):
        policy_of(body)


@pytest.mark.parametrize(
    "event",
    [
        requested(not_before="yesterday"),
        requested(scheduled_for="2025-06-15T15:06:40"),
    ],
)
def test_a_request_with_a_time_that_is_none_is_refused(event: Any) -> None:
    with pytest.raises(ValueError, match=r"iso|offset"):
        Story().when(event)


def test_an_attempt_with_neither_status_nor_error_is_refused() -> None:
    with pytest.raises(ValueError, match="status or an error"):
        Story().given(requested()).when(attempted(status=None))


def test_an_event_under_the_key_of_another_delivery_is_refused() -> None:
    with pytest.raises(ValueError, match="under the key"):
        Story().when(requested(), entity=f"{DELIVERY}1")


# --- who hears of the end -------------------------------------------------------------------------------------------


def effects_of(story: Story) -> list[Any]:
    return [effect for fact in story.facts for effect in DELIVERIES.effects(fact)]


def test_J10_the_job_hears_once_of_the_end_of_its_run() -> None:
    story = Story().given(requested(), attempted(status=503), attempted(2), attempted(2), attempted(3))
    (effect,) = effects_of(story)
    assert (effect.domain, effect.entity, effect.type) == ("jobs", JOB, "tocsin.jobs.RunEnded.v1")
    assert effect.event == jobs.RunEnded(
        job_id=JOB, run_id="run-1", result="succeeded", attempts=2, finished_at=rfc3339(START + 45), status=200
    )


@pytest.mark.parametrize(("status", "result"), [(410, "gone"), (404, "failed"), (204, "succeeded")])
def test_the_job_hears_how_it_ended(status: int, result: str) -> None:
    (effect,) = effects_of(Story().given(requested(), attempted(status=status)))
    assert (effect.event.result, effect.event.status) == (result, status)


def test_every_cancellation_is_confirmed_to_the_job() -> None:
    story = Story().given(requested(), attempted(status=500), cancel(), cancel())
    assert [(effect.type, effect.event.attempts) for effect in effects_of(story)] == [
        ("tocsin.jobs.DeliveryCancelled.v1", 1),
        ("tocsin.jobs.DeliveryCancelled.v1", 0),
    ]
    assert {effect.entity for effect in effects_of(story)} == {ORIGIN.entity}


@pytest.mark.parametrize(
    ("ticket_id", "entity"),
    [("T-4711", "T-4711"), ("t_aaaaaaaaaaaaaaaaaaaaaaaaaa-3", "t_aaaaaaaaaaaaaaaaaaaaaaaaaa")],
)
def test_a_ticket_hears_what_became_of_a_message_about_it(ticket_id: str, entity: str) -> None:
    origin = Origin(domain="tickets", entity=ticket_id, run_id="r")
    (effect,) = effects_of(Story().given(requested(origin=origin, request=REQUEST), attempted()))
    assert (effect.type, effect.entity) == ("tocsin.tickets.NotificationFinished.v1", entity)
    assert (effect.event.ticket_id, effect.event.notification_id, effect.event.result) == (ticket_id, "r", "succeeded")


def test_a_cancelled_message_is_told_to_its_ticket_too() -> None:
    origin = Origin(domain="tickets", entity="T-4711", run_id="r")
    (effect,) = effects_of(Story().given(requested(origin=origin, request=REQUEST), cancel()))
    assert (effect.event.result, effect.event.attempts) == ("cancelled", 0)
