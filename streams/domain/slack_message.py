"""What Slack shows of an escalation: a fallback text and blocks, within Slack's limits.

Sources: docs.slack.dev "Formatting message text" (``&``, ``<`` and ``>`` are escaped, dates are ``<!date^…>``), "Block
Kit reference" (a header has at most 150 characters, the text of a section 3,000, a field 2,000).
"""

from __future__ import annotations

from typing import Any, Final

from tocsin.events.sla import Escalated
from tocsin.events.times import unix_ms

HEADER_LENGTH: Final = 150
TEXT_LENGTH: Final = 3000
FIELD_LENGTH: Final = 2000
METRIC_WORDS: Final = {"first_response": "first response", "resolution": "resolution"}
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def payload(fact: Escalated) -> dict[str, Any]:
    """The body of a request to an incoming webhook."""
    headline = _headline(fact)
    fields = [_field(name, text) for name, text in _facts(fact)]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": escaped(headline, HEADER_LENGTH)}},
        {"type": "section", "text": {"type": "mrkdwn", "text": _subject(fact)}},
        {"type": "section", "fields": fields},
    ]
    if remarks := _remarks(fact):
        text = escaped(" · ".join(remarks), TEXT_LENGTH)
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]})
    return {"text": escaped(f"{headline}: {fact.subject} ({fact.ticket_id})", TEXT_LENGTH), "blocks": blocks}


def escaped(text: str, limit: int) -> str:
    """With Slack's three control characters escaped, cut so that the result fits."""
    whole = "".join(_ESCAPES.get(one, one) for one in text)
    if len(whole) <= limit:
        return whole
    kept, left = [], limit - 1
    for one in text:
        written = _ESCAPES.get(one, one)
        if len(written) > left:
            break
        kept.append(written)
        left -= len(written)
    return "".join(kept) + "…"


def _headline(fact: Escalated) -> str:
    metric = METRIC_WORDS[fact.told.metric]
    match fact.told.reason:
        case "breach":
            return f"SLA breached: {metric}"
        case "manual":
            return f"Escalated by hand to level {fact.level}"
        case "ack_timeout":
            return f"Acknowledged but not resolved: level {fact.level}"
        case _:
            return f"Still overdue: {metric}, level {fact.level}"


def _subject(fact: Escalated) -> str:
    if not fact.link:
        return f"*{escaped(fact.subject, TEXT_LENGTH - 2)}*"
    link = escaped(fact.link, 2000).replace("|", "%7C")
    return f"*<{link}|{escaped(fact.subject, TEXT_LENGTH - len(link) - 5)}>*"


def _facts(fact: Escalated) -> list[tuple[str, str]]:
    shown = [
        ("Priority", fact.priority),
        ("Customer tier", fact.customer_tier),
        ("Level", f"{fact.level} of {fact.cap}"),
    ]
    if fact.clock is not None:
        shown.append(("Goal", f"{METRIC_WORDS[fact.clock.metric]} within {duration(fact.clock.target_ms)}"))
        if due := fact.clock.breached_at or fact.clock.due_at:
            shown.append(("Due", due))
        if fact.clock.breached_at:
            shown.append(("Overdue by", duration(unix_ms(fact.at) - unix_ms(fact.clock.breached_at))))
    return shown


def _field(name: str, text: str) -> dict[str, str]:
    content = escaped(text, FIELD_LENGTH - len(name) - 3)
    if name == "Due":
        content = f"<!date^{unix_ms(text) // 1000}^{{date_short_pretty}} {{time}}|{content}>"
    return {"type": "mrkdwn", "text": f"*{name}*\n{content}"}


def _remarks(fact: Escalated) -> list[str]:
    remarks = []
    if fact.late:
        remarks.append(f"told {duration(fact.lateness_ms)} late")
    if fact.coalesced:
        remarks.append(f"stands for {len(fact.coalesced)} earlier steps")
    if fact.actor:
        remarks.append(f"by {fact.actor}" + (f": {fact.remark}" if fact.remark else ""))
    return remarks


def duration(milliseconds: int) -> str:
    """The two largest units: ``2 d 3 h``, ``15 min``, ``40 s``."""
    left = max(0, milliseconds) // 1000
    parts = []
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
