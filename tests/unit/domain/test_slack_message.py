"""What Slack is sent, within its limits and with its control characters escaped (S4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.sla_story import HOUR, MINUTE, Desk, escalate, escalations, messages, policy, report
from tocsin.events.sla import Escalated
from tocsin.streams.domain import slack_message
from tocsin.streams.domain.slack_message import duration, escaped


def breach(title: str = "Checkout is down", **changes: Any) -> Escalated:
    desk = Desk(policy({"targets": {"resolution": {"default": {"high": "1h"}}}, **changes}))
    desk.at(0, report(title=title, customer_tier="gold"))
    (one,) = escalations(desk.until(HOUR))
    return one


def test_S4_a_message_says_what_is_overdue_and_links_it() -> None:
    sent = slack_message.payload(breach())
    header, subject, fields = sent["blocks"]
    assert sent["text"] == "SLA breached: resolution: Checkout is down (T-4711)"
    assert header == {"type": "header", "text": {"type": "plain_text", "text": "SLA breached: resolution"}}
    assert subject["text"]["text"] == "*<https://tocsin.example/tickets/T-4711|Checkout is down>*"
    shown = dict(field["text"].split("\n") for field in fields["fields"])
    assert shown["*Goal*"] == "resolution within 1 h"
    assert shown["*Level*"] == "1 of 2"
    assert shown["*Due*"] == "<!date^1750003600^{date_short_pretty} {time}|2025-06-15T16:06:40.000Z>"


HEADLINES = [
    ("ladder", "Still overdue: resolution, level 2"),
    ("manual", "Escalated by hand to level 2"),
    ("ack_timeout", "Acknowledged but not resolved: level 2"),
]


@pytest.mark.parametrize(("reason", "headline"), HEADLINES)
def test_S4_the_headline_says_why(reason: Any, headline: str) -> None:
    fact = breach()
    told = msgspec.structs.replace(fact.told, reason=reason)
    sent = slack_message.payload(msgspec.structs.replace(fact, told=told, level=2))
    assert sent["blocks"][0]["text"]["text"] == headline


def test_S4_a_late_message_says_so_and_what_it_stands_for() -> None:
    desk = Desk(policy())
    desk.at(0, report())
    (one,) = escalations(desk.late(2 * HOUR))
    assert slack_message.payload(one)["blocks"][-1]["elements"][0]["text"] == (
        "told 40 min late · stands for 3 earlier steps"
    )


def test_S4_who_escalated_is_named() -> None:
    desk = Desk(policy())
    desk.at(0, report())
    (one,) = escalations(desk.at(MINUTE, escalate(reason="<b>VIP</b>")))
    assert slack_message.payload(one)["blocks"][-1]["elements"][0]["text"] == "by ana: &lt;b&gt;VIP&lt;/b&gt;"


TEXT = st.text(alphabet=st.sampled_from("&<>|*_ä€x 😀"), max_size=400)


@given(TEXT, st.integers(1, 200))
def test_S4_escaped_text_has_no_control_characters_and_fits(text: str, limit: int) -> None:
    written = escaped(text, limit)
    assert len(written) <= limit
    assert not set("<>") & set(written)
    plain = written.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert plain == text or (plain.endswith("…") and text.startswith(plain[:-1]))


@given(TEXT)
def test_S4_every_message_is_within_the_limits_of_slack(title: str) -> None:
    sent = slack_message.payload(breach(title))
    assert len(sent["text"]) <= 3000
    assert len(sent["blocks"][0]["text"]["text"]) <= 150
    assert len(sent["blocks"][1]["text"]["text"]) <= 3000
    assert len(sent["blocks"][2]["fields"]) <= 10
    assert all(len(field["text"]) <= 2000 for field in sent["blocks"][2]["fields"])


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(0, "0 s"), (40_000, "40 s"), (900_000, "15 min"), (93_600_000, "1 d 2 h"), (3_661_000, "1 h 1 min"), (-5, "0 s")],
)
def test_durations_have_their_two_largest_units(milliseconds: int, words: str) -> None:
    assert duration(milliseconds) == words


def test_S4_a_webhook_says_the_same_as_data() -> None:
    channels = {"hook": {"kind": "webhook", "url": "https://a.example/hook"}}
    ladders = {"two": {"steps": [{"channels": "hook"}]}}
    fact = breach(channels=channels, default_channel="hook", ladders=ladders)
    (effect,) = messages([fact])
    document = msgspec.json.decode(bytes(effect.event.request.payload))
    assert (document["type"], document["timestamp"]) == ("sla.escalated", fact.at)
    assert document["data"]["escalation_level"] == 1
    assert document["data"]["due_at"] == "2025-06-15T16:06:40.000Z"
    assert effect.event.request.url == "https://a.example/hook"
    assert effect.event.request.rate_key == ""
