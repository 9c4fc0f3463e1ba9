"""The mock Slack as senders and readers meet it, over real sockets."""

from __future__ import annotations

import subprocess
import sys
import time

import httpx
import pytest

from tests.stages.slack import mock_slack
from tocsin.embedded import ports
from tocsin.mock_slack.app import LARGEST_BODY
from tocsin.mock_slack.mailbox import Mailbox

HOOK = "/services/T00000000/B00000000/ops"


async def test_S10_a_message_is_answered_ok_and_shown() -> None:
    async with mock_slack(Mailbox()) as base, httpx.AsyncClient(base_url=base) as client:
        sent = await client.post(HOOK, json={"text": "first"}, headers={"webhook-id": "n-1"})
        assert (sent.status_code, sent.text, sent.headers["content-type"]) == (200, "ok", "text/plain; charset=utf-8")
        await client.post(HOOK, data={"payload": '{"text": "<b>second</b>", "channel": "#search"}'})
        listed = (await client.get("/messages")).json()
        assert [one["payload"]["text"] for one in listed["items"]] == ["first", "<b>second</b>"]
        assert (listed["total"], listed["items"][0]["headers"]["webhook-id"]) == (2, "n-1")
        assert (await client.get("/messages", params={"channel": "#search"})).json()["total"] == 1
        page = await client.get("/")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "&lt;b&gt;second&lt;/b&gt;" in page.text
        assert (await client.delete("/messages")).status_code == 204
        assert (await client.get("/messages")).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "content", "status", "word"),
    [
        (HOOK, b"{", 400, "invalid_payload"),
        (HOOK, b"{}", 400, "no_text"),
        (HOOK, b'{"blocks": [{"type": "divider", "block_id": 1}]}', 400, "invalid_blocks"),
        ("/services/T00000000/B00000000", b'{"text": "x"}', 404, "no_service"),
        ("/services/../messages/x/y", b'{"text": "x"}', 404, "Not Found"),
        (HOOK, b"x" * (LARGEST_BODY + 1), 413, "payload_too_large"),
    ],
)
async def test_S10_a_refusal_has_slacks_word(path: str, content: bytes, status: int, word: str) -> None:
    async with mock_slack(Mailbox()) as base, httpx.AsyncClient(base_url=base) as client:
        answer = await client.post(path, content=content)
        assert (answer.status_code, answer.text) == (status, word)
        assert (await client.get("/messages")).json()["accepted"] == 0


async def test_S4_too_many_are_told_when_to_come_again() -> None:
    async with mock_slack(Mailbox(rate=1)) as base, httpx.AsyncClient(base_url=base) as client:
        answers = [await client.post(HOOK, json={"text": str(number)}) for number in range(3)]
        other = await client.post("/services/T00000000/B00000000/search", json={"text": "x"})
    assert [one.status_code for one in answers] == [200, 429, 429]
    assert (answers[1].text, answers[1].headers["retry-after"], other.status_code) == ("rate_limited", "1", 200)


async def test_S4_the_first_fail_when_asked_to() -> None:
    async with mock_slack(Mailbox(failing=2)) as base, httpx.AsyncClient(base_url=base) as client:
        answers = [await client.post(HOOK, json={"text": "x"}) for _ in range(3)]
        assert [(one.status_code, one.text) for one in answers] == [(500, "rollup_error")] * 2 + [(200, "ok")]
        assert (await client.get("/messages", params={"limit": "-1"})).status_code == 422


def test_S10_the_command_serves_until_it_is_stopped() -> None:
    (port,) = ports.choose(1)
    command = [sys.executable, "-m", "tocsin", "mock-slack", "--port", str(port)]
    base, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 30
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while ports.is_free(port):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert httpx.post(base + HOOK, json={"text": "x"}, timeout=30).text == "ok"
            assert httpx.get(f"{base}/health").status_code == 200
            again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert (again.returncode, f"Port {port} of 127.0.0.1" in again.stderr) == (1, True)
        finally:
            process.terminate()
    assert process.returncode == 0
    assert ports.is_free(port)
