"""The messages as one page without scripts. What senders wrote is text here, never markup."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from tocsin.mock_slack.mailbox import Message

SHOWN: Final = 200
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_LINK: Final = re.compile(r"<(https?://[^\s<>|]+)(?:\|([^<>]*))?>")
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "article{border:1px solid #8888;border-left:4px solid #36c5f0;border-radius:4px;margin:1rem 0;padding:.5rem 1rem}"
    "pre{overflow:auto}.meta{opacity:.7;font-size:.85rem}p{margin:.4rem 0;white-space:pre-wrap}"
)


def page(messages: Sequence[Message], accepted: int, refused: int, channel: str = "") -> str:
    """The newest first."""
    shown = list(reversed(messages[-SHOWN:]))
    of = f" of {html.escape(channel)}" if channel else ""
    body = "".join(map(_article, shown)) or "<p>Nothing yet.</p>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
        f"<title>Mock Slack: {len(messages)} messages</title><style>{_STYLE}</style>"
        f"<h1>Mock Slack</h1><p>{len(shown)} newest messages{of}; {accepted} taken, {refused} refused since the start."
        f' <a href="/messages">JSON</a></p>{body}</html>'
    )


def _article(message: Message) -> str:
    payload = message.payload
    attempt = f", attempt {html.escape(one)}" if (one := message.headers.get("x-attempt")) else ""
    blocks = payload.get("blocks") or []
    lines = [_block(block) for block in blocks] if isinstance(blocks, list) and blocks else [_text(payload.get("text"))]
    raw = html.escape(json.dumps(payload, ensure_ascii=False, indent=1))
    return (
        f'<article><p class="meta">#{message.number} <a href="/?channel={quote(message.channel, safe="")}">'
        f"{html.escape(message.channel)}</a> {html.escape(message.received_at)}{attempt}</p>"
        f"{''.join(lines)}<details><summary>payload</summary><pre>{raw}</pre></details></article>"
    )


def _block(block: Any) -> str:
    if not isinstance(block, Mapping):
        return ""
    if block.get("type") == "divider":
        return "<hr>"
    texts = [block.get("text"), *_items(block, "fields"), *_items(block, "elements")]
    found = "".join(_text(one) for one in texts if one)
    return f"<h2>{found}</h2>" if block.get("type") == "header" else found


def _items(block: Mapping[str, Any], name: str) -> list[Any]:
    given = block.get(name)
    return given if isinstance(given, list) else []


def _text(given: Any) -> str:
    """Of a string or a text object; senders escape ``&<>``, links stand in angle brackets."""
    while isinstance(given, Mapping):
        given = given.get("text")
    if not isinstance(given, str):
        return ""
    parts, end = [], 0
    for link in _LINK.finditer(given):
        url, label = link[1], link[2] or link[1]
        shown = f'<a rel="noreferrer" href="{_escaped(url)}">{_escaped(label)}</a>'
        parts += [_escaped(given[end : link.start()]), shown]
        end = link.end()
    return f"<p>{''.join(parts)}{_escaped(given[end:])}</p>"


def _escaped(text: str) -> str:
    """As Slack shows it: ``&amp;`` of the sender is one ampersand."""
    return html.escape(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
