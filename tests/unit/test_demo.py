"""The demo's story: the same for a seed, realistic for our own parsers, and rich enough to look at."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from tocsin.cli import app
from tocsin.demo import alertmanager, story
from tocsin.demo.post import MINUTE_MS, Post, Telling
from tocsin.demo.scenario import scenario
from tocsin.events.alerts import AlertReceived
from tocsin.events.times import unix_ms
from tocsin.events.vocabulary import SEVERITIES
from tocsin.ingest.sources.catalogue import SENDERS
from tocsin.ingest.sources.signatures import Secret
from tocsin.ingest.sources.webhook import Delivery

BEGAN = 1_790_000_000_000
SECRET = Secret("the secret", "default", "first")


def told(seed: int = 1, began: int = BEGAN) -> Sequence[Post]:
    return story.posts(scenario(seed), Telling(seed, began))


def read(post: Post, secret: str = SECRET.value) -> Sequence[AlertReceived]:
    """What the gateway makes of a webhook."""
    sender = SENDERS[post.source]
    delivery = Delivery(post.body, post.signed(secret), post.at)
    assert sender.verify is not None
    assert sender.verify(delivery, [SECRET]) == SECRET
    events = sender.parse(delivery).events
    assert all(isinstance(event, AlertReceived) for event in events)
    return [event for event in events if isinstance(event, AlertReceived)]


def test_I8_the_same_seed_and_time_give_the_same_bytes() -> None:
    assert told() == told()


def test_I8_at_another_time_the_same_is_said() -> None:
    later = 77 * MINUTE_MS + 3000

    def said(began: int) -> list[tuple[object, ...]]:
        return [
            (one.fingerprint, one.transition, one.title, one.severity, unix_ms(one.occurred_at) - began)
            for post in told(began=began)
            for one in read(post)
        ]

    assert said(BEGAN) == said(BEGAN + later)


def test_I8_another_seed_is_about_other_alerts_and_services() -> None:
    names, others = ({name for post in told(seed) for name in post.fingerprints} for seed in (1, 2))
    assert len(names) == len(others)
    assert not names & others
    groups, other_groups = ({post.group for post in told(seed)} for seed in (1, 2))
    assert len(groups) == len(other_groups)
    assert not groups & other_groups


@pytest.mark.parametrize("seed", [1, 2])
def test_I8_every_webhook_is_signed_and_names_the_alerts_our_parsers_read(seed: int) -> None:
    for post in told(seed):
        assert tuple(event.fingerprint for event in read(post)) == post.fingerprints


def test_I8_every_time_lies_within_the_story() -> None:
    times = [unix_ms(event.occurred_at) for post in told() for event in read(post)]
    assert (min(times), max(times)) == (BEGAN, BEGAN + scenario(1).minutes * MINUTE_MS)


def test_I8_the_story_has_many_incidents_of_every_kind() -> None:
    events = [event for post in told() for event in read(post)]
    assert len({post.group for post in told()}) >= 10
    assert {event.severity for event in events} == {*SEVERITIES, None}
    assert {event.transition for event in events} == {"triggered", "repeated", "acknowledged", "resolved"}
    assert len({event.team for event in events}) > 5
    assert {deed.group for deed in scenario(1).people} <= {post.group for post in told()}


def test_I8_the_story_begins_with_the_alert_it_is_recognised_by() -> None:
    assert story.first_fingerprint(scenario(1)) in told()[0].fingerprints


def test_fingerprints_are_those_of_prometheus() -> None:
    assert alertmanager.fingerprint({}) == "cbf29ce484222325"  # the offset basis of FNV-1a


def test_a_dry_run_prints_every_webhook() -> None:
    done = CliRunner().invoke(app, ["demo", "--dry-run", "--seed", "3"])
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert len(lines) == len(told(3))
    assert {line["path"] for line in lines} == {post.path for post in told(3)}
