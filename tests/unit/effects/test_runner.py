"""The runner: each attempt at its time, none after its end was written, all again for the next owner."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.unit.effects.deliveries import Story, key_of, settle, waiting
from tocsin.encryption import Cipher
from tocsin.events.deliveries import AttemptFinished
from tocsin.secret_headers import seal
from tocsin.streams.effects import making
from tocsin.streams.effects import runner as module
from tocsin.streams.effects.payloads import NotYet


async def opened(**names: int) -> Story:
    """A partition with these deliveries, each due in so many ms."""
    story = Story()
    story.partition.set(**{name: waiting(name, story.hand.now + after) for name, after in names.items()})
    story.partition.open()
    await settle()
    return story


async def test_J8_an_attempt_starts_at_its_time_and_is_told() -> None:
    story = await opened(a=500)
    assert story.sender.sent == []
    start = story.hand.now
    await story.move(500)
    ((at, request),) = story.sender.sent
    assert (at - start, request.headers["webhook-id"], request.headers["x-attempt"]) == (500, "run-a", "1")
    assert [(one.attempt, one.status) for one in story.outbox.told] == [(1, 200)]


async def test_J10_a_retry_starts_when_its_state_is_committed() -> None:
    story = await opened(a=0)
    story.partition.set(a=waiting("a", story.hand.now + 30_000, attempt=2))
    await story.move(29_000)
    assert len(story.sender.sent) == 1
    await story.move(1_000)
    assert [request.headers["x-attempt"] for _, request in story.sender.sent] == ["1", "2"]


async def test_an_attempt_that_is_committed_again_unchanged_is_made_once() -> None:
    story = await opened(a=0)
    story.partition.set(a=waiting("a", story.hand.now))
    await story.move(1000)
    assert len(story.sender.sent) == 1


async def test_nothing_starts_once_the_end_is_about_to_be_written() -> None:
    story = await opened(a=100)
    story.partition.set(a=None)
    await story.move(1000)
    assert story.sender.sent == []


async def test_a_running_attempt_is_cut_when_its_delivery_ends() -> None:
    story = await opened()
    story.sender.gate.clear()
    story.partition.set(a=waiting("a", story.hand.now))
    await settle()
    assert len(story.sender.sent) == 1
    story.partition.set(a=None)
    story.sender.gate.set()
    await story.move(1000)
    assert story.outbox.told == []


async def test_J5_a_closed_partition_makes_no_attempt_and_the_next_owner_the_same_one() -> None:
    story = await opened(a=100, b=0)
    story.partition.close()
    await story.move(1000)
    assert [request.headers["webhook-id"] for _, request in story.sender.sent] == ["run-b"]
    story.partition.closed = False
    story.partition.open()
    await story.move(1000)
    assert [request.headers["webhook-id"] for _, request in story.sender.sent[1:]] == ["run-a", "run-b"]
    assert {request.headers["x-attempt"] for _, request in story.sender.sent} == {"1"}


async def test_J5_nothing_is_dialled_without_a_fresh_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "LOOK_AGAIN_SECONDS", 0.001)
    story = Story()
    story.allowed = False
    story.partition.set(a=waiting("a", story.hand.now))
    story.partition.open()
    await asyncio.sleep(0.02)
    assert story.sender.sent == []
    story.allowed = True
    async with asyncio.timeout(5):
        while not story.sender.sent:  # noqa: ASYNC110 - it looks again by itself
            await asyncio.sleep(0.001)
    await settle()
    assert len(story.sender.sent) == 1


async def test_states_that_change_while_a_partition_is_taken_up_are_made_once() -> None:
    story = Story()
    story.partition.set(a=waiting("a", story.hand.now), b=waiting("b", story.hand.now))
    story.partition.open()
    story.partition.set(a=None, b=waiting("b", story.hand.now, attempt=2), c=waiting("c", story.hand.now))
    await story.move(1000)
    sent = sorted((request.headers["webhook-id"], request.headers["x-attempt"]) for _, request in story.sender.sent)
    assert sent == [("run-b", "2"), ("run-c", "1")]


async def test_a_missing_payload_is_waited_for_and_never_sent_empty() -> None:
    story = await opened()
    story.bodies.known["d"] = NotYet("payload_missing")
    story.partition.set(a=waiting("a", story.hand.now, payload_digest="d"))
    for _ in range(100):
        await story.move(100)
    assert story.sender.sent == []
    story.bodies.known["d"] = b'{"big":1}'
    await story.move(2_000)
    assert [request.body for _, request in story.sender.sent] == [b'{"big":1}']


async def test_T4_a_payload_that_is_there_in_a_moment_is_sent_in_a_moment() -> None:
    story = await opened()
    story.bodies.known["d"] = NotYet("payload_missing")
    story.partition.set(a=waiting("a", story.hand.now, payload_digest="d"))
    await story.move(60)
    story.bodies.known["d"] = b'{"big":1}'
    await story.move(110)
    assert [request.body for _, request in story.sender.sent] == [b'{"big":1}']


async def test_J9_secret_headers_are_sent_in_the_clear() -> None:
    keys = Fernet.generate_key().decode()
    story = Story(keys=keys)
    headers = {"Authorization": seal("Bearer x", Cipher(keys)), "X-Team": "ops"}
    assert headers["Authorization"] != "Bearer x"
    story.partition.set(a=waiting("a", story.hand.now, headers=headers))
    story.partition.open()
    await settle()
    ((_, request),) = story.sender.sent
    assert (request.headers["Authorization"], request.headers["X-Team"]) == ("Bearer x", "ops")


async def test_what_cannot_be_sent_is_told_without_being_tried() -> None:
    story = await opened()
    story.partition.set(a=waiting("a", story.hand.now, headers={"Authorization": "sealed:v1:no token of ours"}))
    await settle()
    assert story.sender.sent == []
    assert [(one.error, one.status) for one in story.outbox.told] == [("request", None)]


async def test_a_bug_loses_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    story = await opened()
    finished, story.outbox.finished = story.outbox.finished, broken  # type: ignore[method-assign]
    story.partition.set(a=waiting("a", story.hand.now))
    await settle()
    story.outbox.finished = finished  # type: ignore[method-assign]
    await story.move(module.UNFORESEEN_MS)
    assert len(story.outbox.told) == 1


async def broken(key: bytes, partition: int, event: AttemptFinished) -> None:
    raise RuntimeError("a bug")


async def test_an_open_breaker_puts_attempts_off_and_spends_none() -> None:
    story = await opened()
    story.sender.status = 503
    for number in range(10):
        story.partition.set(**{f"n{number}": waiting(f"n{number}", story.hand.now)})
        await settle()
    assert len(story.sender.sent) == 10
    story.partition.set(a=waiting("a", story.hand.now), b=waiting("b", story.hand.now))
    await story.move(29_000)
    assert len(story.sender.sent) == 10
    await story.move(2_000)
    assert len(story.sender.sent) == 11  # the probe, which fails
    story.sender.status = 200
    await story.move(33_000)
    assert [one.status for one in story.outbox.told[10:]] == [503, 200]


# --- channels and their rates ---------------------------------------------------------------------------------------

HOOK = "https://hooks.slack.example/services/T1/B1/secret"


async def test_S4_the_url_of_a_channel_is_known_to_the_request_alone() -> None:
    story = await opened()
    story.channels["slack:default"] = HOOK
    story.partition.set(a=waiting("a", story.hand.now, url="", channel="slack:default"))
    await settle()
    ((_, request),) = story.sender.sent
    assert (request.url, request.by_operator) == (HOOK, True)
    assert "secret" not in repr(request)
    assert "secret" not in repr((story.outbox.told, story.partition.state.get(key_of("a"))))


async def test_S9_a_channel_without_a_url_is_told_at_once_and_not_dialled() -> None:
    story = await opened()
    story.partition.set(a=waiting("a", story.hand.now, url="", channel="slack:default"))
    await settle()
    assert story.sender.sent == []
    ((error, detail),) = [(one.error, one.detail) for one in story.outbox.told]
    assert error == "request"
    assert detail == "Channel slack:default has no URL: the workers that make deliveries need SLACK_WEBHOOK_URL"


async def test_S4_a_sealed_url_of_the_policy_is_opened_when_it_is_dialled() -> None:
    keys = Fernet.generate_key().decode()
    story = Story(keys=keys)
    story.partition.open()
    sealed = seal("http://10.0.0.7:8065/hook", Cipher(keys))
    story.partition.set(
        a=waiting("a", story.hand.now, url=sealed, by_operator=True), b=waiting("b", story.hand.now, url=sealed)
    )
    await settle()
    sent = [(request.url, request.by_operator, request.trusted) for _, request in story.sender.sent]
    assert sent == [("http://10.0.0.7:8065/hook", True, True), ("http://10.0.0.7:8065/hook", False, False)]


async def test_S4_a_url_sealed_with_another_key_is_told_at_once_and_not_dialled() -> None:
    story = Story(keys=Fernet.generate_key().decode())
    story.partition.open()
    sealed = seal(HOOK, Cipher(Fernet.generate_key().decode()))
    story.partition.set(a=waiting("a", story.hand.now, url=sealed, by_operator=True))
    await settle()
    assert story.sender.sent == []
    assert [(one.error, "cannot be decrypted" in one.detail) for one in story.outbox.told] == [("request", True)]


PACED: dict[str, Any] = {"rate_key": "slack:default", "rate_per_second": 1}


async def test_S4_deliveries_of_a_rate_key_leave_one_a_second() -> None:
    story = await opened()
    start = story.hand.now
    story.partition.set(**{name: waiting(name, start, **PACED) for name in "abc"})
    story.partition.set(other=waiting("other", start))
    await settle()
    for _ in range(5):
        await story.move(500)
    sent = [(at - start, request.headers["webhook-id"]) for at, request in story.sender.sent]
    assert sent == [(0, "run-a"), (0, "run-other"), (1_000, "run-b"), (2_000, "run-c")]


@pytest.mark.parametrize(("asked", "held_ms"), [(3, 3_000), (None, 1_000), (10**9, module.LONGEST_HOLD_MS)])
async def test_S4_a_429_holds_back_the_whole_key_for_as_long_as_was_asked(asked: int | None, held_ms: int) -> None:
    story = await opened()
    story.sender.status, story.sender.retry_after = 429, asked
    start = story.hand.now
    story.partition.set(a=waiting("a", start, **PACED), b=waiting("b", start, **PACED))
    await settle()
    await story.move(held_ms - 1)
    assert len(story.sender.sent) == 1
    await story.move(1)
    assert [at - start for at, _ in story.sender.sent] == [0, held_ms]
    assert [one.status for one in story.outbox.told] == [429, 429]


async def test_S4_what_is_put_off_spends_nothing_of_the_rate() -> None:
    story = await opened()
    story.bodies.known["d"] = NotYet("payload_missing")
    start = story.hand.now
    story.partition.set(a=waiting("a", start, payload_digest="d", **PACED), b=waiting("b", start, **PACED))
    await story.move(0)
    assert [(at - start, one.headers["webhook-id"]) for at, one in story.sender.sent] == [(0, "run-b")]
