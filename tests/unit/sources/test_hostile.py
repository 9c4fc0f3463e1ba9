"""Real payloads with anything in any place: a parser reads it within its contract, or says Unreadable."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sns import message
from tests.unit.sources.given import DATA, NOW, body, delivery
from tocsin.events.alerts import AlertReceived
from tocsin.events.tickets import SuccessReported
from tocsin.ingest.mappers import read_mappers
from tocsin.ingest.sources import (
    alertmanager,
    cloud_events,
    cloudwatch,
    datadog,
    generic,
    github,
    grafana,
    pagerduty,
    sentry,
    standard_webhooks,
)
from tocsin.ingest.sources.webhook import Delivery, Reading, Unreadable

KUMA = read_mappers(Path(__file__).parents[3] / "deploy" / "mappers.yaml")["uptime-kuma"]
SENDERS: dict[str, tuple[Callable[[Delivery], Reading], str, dict[str, str]]] = {
    "sentry issue": (sentry.parse, "sentry/issue_created.json", {"sentry_hook_resource": "issue"}),
    "sentry alert": (sentry.parse, "sentry/event_alert_triggered.json", {"sentry_hook_resource": "event_alert"}),
    "sentry metric": (sentry.parse, "sentry/metric_alert_critical.json", {"sentry_hook_resource": "metric_alert"}),
    "sentry legacy": (sentry.parse, "sentry/legacy.json", {}),
    "datadog": (datadog.parse, "datadog/ours_triggered.json", {}),
    "datadog others": (datadog.parse, "datadog/incident_io.json", {}),
    "alertmanager": (alertmanager.parse, "alertmanager/group.json", {}),
    "grafana": (grafana.parse, "grafana/group.json", {}),
    "github": (github.parse, "github/workflow_run_completed.json", {"x_github_event": "workflow_run"}),
    "cloudevents": (cloud_events.parse, "cloudevents/structured.json", {}),
    "standard": (standard_webhooks.parse, "standard/disk_full.json", {}),
    "cloudwatch": (cloudwatch.parse, "cloudwatch/alarm.json", {}),
    "generic": (lambda found: generic.parse(KUMA, found), "generic/uptime_kuma.json", {}),
}
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["", "\x00", "x" * 12_000, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1e400", "-1", "٣"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\x00", max_size=3), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in members:
        yield (*path, name)
        yield from places(inner, (*path, name))


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    found = copy.deepcopy(content)
    inner = found
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return found


def is_sound(reading: Reading) -> bool:
    """What was read survives its own contract, has bounded texts and no NUL outside its context; fails with what is
    wrong."""
    assert reading.events or reading.reason
    for event in reading.events:
        text = msgspec.json.encode(event)
        assert msgspec.json.decode(text, type=type(event)) == event
        slim: Any = event
        if not isinstance(event, SuccessReported):
            slim = msgspec.structs.replace(event, context=msgspec.Raw(b"null"))
            json.loads(bytes(event.context))
        assert b"\\u0000" not in msgspec.json.encode(slim)
        assert event.occurred_at.endswith("Z")
        if isinstance(event, AlertReceived):
            assert 0 < len(event.fingerprint) <= 400
            assert 0 < len(event.title) <= 500
            assert len(event.message) <= 10_000
        else:
            assert event.workflow
            assert len(event.identifier) <= 500
    return True


def is_read_or_unreadable(parse: Callable[[Delivery], Reading], found: Delivery) -> bool:
    """Anything raised but Unreadable is a bug."""
    try:
        reading = parse(found)
    except Unreadable:
        return True
    return is_sound(reading)


@pytest.mark.parametrize("name", SENDERS)
@given(data=st.data())
def test_I1_anything_anywhere_is_read_or_unreadable(name: str, data: st.DataObject) -> None:
    parse, file, headers = SENDERS[name]
    content = body(file)
    path = data.draw(st.sampled_from(list(places(content))))
    found = changed(content, path, data.draw(anything))
    verified_by = "open" if "legacy" in name else "first"
    assert is_read_or_unreadable(
        parse, delivery(json.dumps(found, ensure_ascii=False).encode(), verified_by, **headers)
    )


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=50) | anything.map(json.dumps))
def test_I1_any_text_in_an_sns_message(text: str) -> None:
    assert is_read_or_unreadable(cloudwatch.parse, delivery(message(text)))


@given(data=st.data())
def test_I1_what_pagerduty_lets_pass_is_read(data: st.DataObject) -> None:
    content = body("pagerduty/trigger.json")
    path = data.draw(st.sampled_from(list(places(content))))
    found = delivery(json.dumps(changed(content, path, data.draw(anything)), ensure_ascii=False).encode())
    try:
        pagerduty.check(found)
    except pagerduty.Invalid:
        return
    assert is_sound(pagerduty.parse(found))


@pytest.mark.parametrize("name", SENDERS)
@given(content=st.binary(max_size=300), form=st.booleans())
def test_I1_any_bytes_are_read_or_unreadable(name: str, content: bytes, form: bool) -> None:
    parse, _, headers = SENDERS[name]
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    fields |= {"content-type": "application/x-www-form-urlencoded"} if form else {}
    assert is_read_or_unreadable(parse, Delivery(content, fields, NOW, "first"))


def test_every_example_of_a_sender_is_tried() -> None:
    names = {file for _, file, _ in SENDERS.values()} | {"pagerduty/trigger.json"}
    beside = {"datadog/default.json", "datadog/keep.json"}
    assert {str(path.relative_to(DATA)) for path in DATA.rglob("*.json")} == names | beside
