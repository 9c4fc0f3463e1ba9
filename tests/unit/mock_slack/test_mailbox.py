"""What is kept, what is forgotten, and what the page makes of it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.mock_slack.mailbox import Mailbox
from tocsin.mock_slack.page import page

WEBHOOK = "T1/B1/ops"


def keep(box: Mailbox, *texts: str, **payload: Any) -> None:
    for text in texts:
        box.keep("2026-11-20T12:00:00.000Z", WEBHOOK, {"text": text, **payload}, {"x-attempt": "2"})


def test_S10_the_newest_are_kept_by_count_and_by_bytes() -> None:
    box = Mailbox(most=3, most_bytes=40)
    keep(box, "a", "b", "c", "d")
    assert [one.payload["text"] for one in box.messages()] == ["b", "c", "d"]
    keep(box, "123456789")  # {"text":"123456789"} beside {"text":"d"}
    assert [one.payload["text"] for one in box.messages()] == ["d", "123456789"]
    box.clear()
    assert (box.messages(), box.accepted) == ([], 5)


def test_S10_a_channel_is_what_the_payload_or_the_webhook_says() -> None:
    box = Mailbox()
    keep(box, "a")
    keep(box, "b", channel="#search")
    keep(box, "c", channel=7)
    assert [one.payload["text"] for one in box.messages("ops")] == ["a", "c"]
    assert [one.payload["text"] for one in box.messages("#search")] == ["b"]
    assert [one.number for one in box.messages(after=2)] == [3]


def test_S4_each_webhook_has_its_own_rate() -> None:
    box = Mailbox(rate=0.5)
    assert [box.wait("a", 0.0), box.wait("a", 0.5), box.wait("b", 0.5), box.wait("a", 1.9)] == [0, 2, 0, 1]
    assert [box.wait("a", 2.0), box.wait("a", 2.0)] == [0, 2]
    assert Mailbox().wait("a", 0.0) == Mailbox().wait("a", 0.0) == 0


def test_S4_the_first_requests_fail_as_asked() -> None:
    box = Mailbox(failing=2)
    assert [box.fails() for _ in range(4)] == [True, True, False, False]


class Tags(HTMLParser):
    """``seen``: tags with their attributes. ``text`` as a reader sees it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


OURS = {"html", "meta", "title", "style", "h1", "h2", "p", "a", "article", "details", "summary", "pre", "hr"}


@given(st.text(alphabet="<>&\"'|/:=abhtps ", max_size=40), st.text(alphabet="<>&\"' #", max_size=10))
def test_S10_whatever_senders_write_is_text(text: str, channel: str) -> None:
    box = Mailbox()
    header = {"type": "header", "text": {"type": "plain_text", "text": text}}
    keep(box, text, channel=channel, blocks=[header, {"type": "divider"}, 7])
    keep(box, text, channel=channel)
    found = Tags(page(box.messages(), 2, 0, channel))
    assert {tag for tag, _ in found.seen} <= OURS
    links = [attributes["href"] for tag, attributes in found.seen if tag == "a"]
    assert all(link is not None and link.startswith(("/?channel=", "/messages", "http")) for link in links)


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<javascript:alert(1)|x>", "</article>"]
)
def test_S10_markup_is_shown_and_not_run(text: str) -> None:
    box = Mailbox()
    keep(box, text)
    found = Tags(page(box.messages(), 1, 0))
    assert text in found.text
    assert not {"script", "img"} & {tag for tag, _ in found.seen}


def test_S4_a_message_reads_as_slack_shows_it() -> None:
    box = Mailbox()
    keep(box, "R&amp;D &lt;b&gt;: <http://localhost:8000/tickets/1?a=1&amp;b=2|the ticket>")
    found = Tags(page(box.messages(), 1, 0))
    assert "R&D <b>: the ticket" in found.text
    assert ("a", {"rel": "noreferrer", "href": "http://localhost:8000/tickets/1?a=1&b=2"}) in found.seen
