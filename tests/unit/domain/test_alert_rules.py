"""I2: classification, grouping and flapping by policy, each with its reason."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.domain.alert_story import word
from tests.unit.domain.given import said
from tests.unit.domain.incident_story import HOUR, MINUTE, World
from tocsin.events.alerts import AlertOpened, Grouping, Matcher
from tocsin.streams.domain.alert_classification import classify
from tocsin.streams.domain.alert_grouping import group, topmost
from tocsin.streams.domain.alert_policy import AlertsPolicy, ClassificationRule, Flapping, GroupingRule


def alert(**changes: Any) -> Any:
    return msgspec.structs.replace(word("triggered"), **changes)


PROD = ClassificationRule("by-tag", (Matcher("tag:env", ("prod*",)),), {"environment": "prod", "service": "{tag:svc}"})
CALM = ClassificationRule("calm", (Matcher("title", ("disk*",)),), {"severity": "low"}, override=True)
WRONG = ClassificationRule("wrong", (), {"severity": "{tag:level}"})
CLASSES: list[tuple[str, dict[str, Any], str, str, str]] = [
    # what, changes of the alert, field, value, rule
    ("nobody says", {}, "severity", "error", "default"),
    ("the sender says", {"severity": "warning", "title": "cpu"}, "severity", "warning", "sender"),
    ("a rule overrides", {"severity": "critical"}, "severity", "info", "calm"),
    ("a rule fills in", {"tags": {"env": "production"}}, "environment", "prod", "by-tag"),
    ("the sender counts more", {"tags": {"env": "prod"}, "environment": "eu"}, "environment", "eu", "sender"),
    ("a value of the alert", {"tags": {"env": "prod", "svc": "pay"}}, "service", "pay", "by-tag"),
    ("an unusable value is passed over", {"title": "x", "tags": {"level": "huge"}}, "severity", "error", "default"),
    ("a synonym is understood", {"title": "x", "tags": {"level": "P1"}}, "severity", "critical", "wrong"),
]


@pytest.mark.parametrize(
    ("changes", "field", "value", "rule"), [row[1:] for row in CLASSES], ids=[row[0] for row in CLASSES]
)
def test_I2_classification_names_the_rule_that_decided(
    changes: dict[str, Any], field: str, value: str, rule: str
) -> None:
    rules = () if rule == "default" and not changes else (PROD, CALM, WRONG)
    classified = classify(alert(**changes), AlertsPolicy(classification=rules))
    (reason,) = [one for one in classified.reasons if one.field == field]
    assert (reason.value, reason.rule) == (value, rule)
    assert classified.fields[field] == value


def grouped(policy: AlertsPolicy, **changes: Any) -> Grouping | None:
    return group("default", classify(alert(**changes), policy).fields, policy)


def test_I2_alerts_of_one_service_are_one_group_and_others_stand_alone() -> None:
    policy = AlertsPolicy()
    one = grouped(policy, service="shop", environment="prod")
    same = grouped(policy, service="shop", environment="prod", fingerprint="other")
    elsewhere = grouped(policy, service="shop", environment="test")
    alone, other = grouped(policy), grouped(policy, fingerprint="other")
    assert one is not None
    assert same is not None
    assert elsewhere is not None
    assert alone is not None
    assert other is not None
    assert one.incident_entity == same.incident_entity != elsewhere.incident_entity
    assert (one.rule, one.group, one.title) == (
        "by-service",
        {"service": "shop", "environment": "prod"},
        "shop: disk full",
    )
    assert (alone.rule, alone.group) == ("alone", {"fingerprint": "alertmanager:f00"})
    assert alone.incident_entity != other.incident_entity


def test_I2_a_group_belongs_to_one_workspace() -> None:
    policy = AlertsPolicy()
    fields = classify(alert(service="shop"), policy).fields
    first, second = group("default", fields, policy), group("acme", fields, policy)
    assert first is not None
    assert second is not None
    assert first.incident_entity != second.incident_entity


def test_I2_the_service_map_groups_by_what_a_service_is_part_of() -> None:
    services = {"payments": "checkout", "checkout": "shop"}
    policy = AlertsPolicy(services=services)
    one, same = grouped(policy, service="payments"), grouped(policy, service="shop")
    assert one is not None
    assert same is not None
    assert one.incident_entity == same.incident_entity
    assert (one.group["service"], one.compared["service"]) == ("shop", "payments")
    assert topmost("a", {"a": "b", "b": "a"}) in ("a", "b")


def test_I2_the_first_rule_that_matches_governs_and_may_want_no_incident() -> None:
    rules = (
        GroupingRule("quiet", (Matcher("severity", ("info",)),), incident=False),
        GroupingRule("hosts", (Matcher("tag:host", ("?*",)),), ("tag:host",), threshold=3, title="{tag:host} is ill"),
    )
    policy = AlertsPolicy(grouping=rules)
    assert grouped(policy, severity="info") is None
    hosts = grouped(policy, tags={"host": "db-1"})
    assert hosts is not None
    assert (hosts.rule, hosts.threshold, hosts.title, hosts.compared) == (
        "hosts",
        3,
        "db-1 is ill",
        {"tag:host": "db-1"},
    )
    neither = grouped(policy)
    assert neither is not None
    assert neither.rule == "alone"


def test_I2_the_fact_that_opens_keeps_every_reason() -> None:
    world = World(AlertsPolicy(classification=(PROD,)))
    opened = world.hear(alert(tags={"env": "prod", "svc": "pay"}))[0]
    assert isinstance(opened, AlertOpened)
    assert (opened.latest.service, opened.latest.environment) == ("pay", "prod")
    assert {one.field: one.rule for one in opened.classification} == {
        "severity": "default",
        "service": "by-tag",
        "environment": "by-tag",
    }
    assert opened.grouping is not None
    assert opened.grouping.group == {"service": "pay", "environment": "prod"}


def test_I2_an_alert_raises_updates_and_clears_its_incident() -> None:
    world = World()
    assert said(world.hear(word("triggered")))[1:] == [("IncidentOpened", "new_group"), ("AlertAdded", "new_group")]
    worse = msgspec.structs.replace(word("triggered", 1), severity="critical")
    assert said(world.hear(worse)) == [
        ("AlertRepeated", "triggered_again"),
        ("AlertSeverityChanged", "severity_changed"),
        ("AlertChanged", "severity_raised"),
    ]
    assert said(world.hear(word("resolved", 2))) == [
        ("AlertResolved", "resolved_by_sender"),
        ("AlertSettled", "alert_resolved"),
        ("IncidentStatusChanged", "alerts_resolved"),
    ]


def test_I2_an_alert_that_was_over_before_it_began_opens_no_incident() -> None:
    world = World()
    world.hear(word("resolved", 1))
    world.hear(word("triggered", 0))
    assert world.incidents() == []


def test_I2_the_next_episode_goes_on_in_the_same_incident() -> None:
    world = World()
    world.hear(word("triggered", 0, "x"))
    facts = world.hear(word("triggered", 5, "y"))
    assert [type(fact).__name__ for fact in facts] == ["AlertResolved", "AlertOpened", "AlertAdded"]
    (incident,) = world.incidents()
    assert (incident.status, incident.alert_count, incident.active_alerts) == ("OPEN", 2, 1)


def test_I2_an_alert_that_flaps_disturbs_its_incident_no_more() -> None:
    world = World(AlertsPolicy(flapping=Flapping(transitions=4, within_ms=HOUR)))
    for minute in range(4):
        facts = world.hear(word("triggered" if minute % 2 == 0 else "resolved", minute))
    assert ("FlappingChanged", "flapping") in said(facts)
    (incident,) = world.incidents()
    before = incident.status
    for minute in range(4, 20):
        world.hear(word("triggered" if minute % 2 == 0 else "resolved", minute))
    (incident,) = world.incidents()
    assert incident.status == before
    assert sum(type(fact).__name__ == "IncidentOpened" for fact in world.facts) == 1


@pytest.mark.parametrize(("last", "status"), [("triggered", "INVESTIGATING"), ("resolved", "RESOLVED")])
def test_I2_a_flapping_alert_that_calms_down_is_told_as_it_stands(last: str, status: str) -> None:
    world = World(AlertsPolicy(flapping=Flapping(transitions=4, within_ms=30 * MINUTE)))
    for minute in range(4):
        world.hear(word("triggered" if minute % 2 == 0 else "resolved", minute))
    if last == "triggered":
        world.hear(word("triggered", 5))
    else:
        world.hear(word("triggered", 5))
        world.hear(word("resolved", 6))
    assert ("FlappingChanged", "calm") in said(world.wake(after=30 * MINUTE))
    (incident,) = world.incidents()
    assert incident.status == status
