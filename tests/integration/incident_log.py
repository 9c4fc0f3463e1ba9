"""Random words of alerts and commands on their incidents, decided in both domains: their facts as records."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from tests.unit.domain.alert_story import word
from tests.unit.domain.incident_story import World
from tocsin.events import alerts
from tocsin.events import incidents as contract
from tocsin.events.commands import Fact
from tocsin.events.identity import entity_of_numbered, partition_of, record_key
from tocsin.events.topics import facts_topic
from tocsin.events.vocabulary import INCIDENT_STATUSES
from tocsin.projections.projection import Record

PARTITIONS = 2
SOURCES, SERVICES, ENVIRONMENTS = ("sentry", "datadog"), ("orders", "payments", "search", ""), ("production", "staging")
SEVERITIES = ("critical", "error", "warning", "info", None)
TRANSITIONS = ("triggered", "triggered", "triggered", "resolved", "acknowledged")
_TYPES = {cls: name for domain in (alerts, contract) for name, cls in domain.FACTS.items()}


def played(count: int, seed: int) -> World:
    chance = random.Random(seed)
    world = World()
    for _ in range(count):
        incidents = [state.incident_id(one) for state in world.groups.values() for one in state.incidents]
        if incidents and chance.random() < 0.4:
            event = _command(chance, world, incidents)
            world.when(event, entity_of_numbered(event.incident_id), after=chance.randrange(8_000))
        else:
            world.hear(_word(chance), after=chance.randrange(8_000))
    return world


def _word(chance: random.Random) -> Any:
    event = word(chance.choice(TRANSITIONS), chance.randrange(60))
    return msgspec.structs.replace(
        event,
        source=chance.choice(SOURCES),
        fingerprint=f"alert-{chance.randrange(16)}",
        service=chance.choice(SERVICES),
        environment=chance.choice(ENVIRONMENTS),
        severity=chance.choice(SEVERITIES),
    )


def _command(chance: random.Random, world: World, incidents: list[str]) -> Any:
    incident_id = chance.choice(incidents)
    members = [one.alert_id for one in world.incident(incident_id).members]
    some = tuple(chance.sample(members, len(members) // 2))
    return chance.choice(
        [
            contract.IncidentStatusRequested(
                incident_id=incident_id, status=chance.choice(INCIDENT_STATUSES), actor="ana", reason="because"
            ),
            contract.AcknowledgeRequested(incident_id=incident_id, actor="bo"),
            contract.AssignRequested(incident_id=incident_id, assignee=chance.choice(("", "bo", "cy")), actor="ana"),
            contract.CommentRequested(incident_id=incident_id, text="hm\x00", actor="ana"),
            contract.MergeRequested(incident_id=incident_id, source_id=chance.choice(incidents), actor="ana"),
            contract.SplitRequested(incident_id=incident_id, alert_ids=some, actor="ana"),
            contract.SplitRequested(incident_id=incident_id, alert_ids=some, actor="ana", title="apart"),
        ]
    )


def records(facts: list[Fact], workspace: str = "default") -> list[Record]:
    """The facts in their order, each in the partition of its entity."""
    offsets: dict[tuple[str, int], int] = {}
    found = []
    for fact in facts:
        name = _TYPES[type(fact)] if not isinstance(fact, _SHARED) else _shared(fact)
        topic, key = facts_topic(name.split(".")[1]), record_key(workspace, fact.entity)
        partition = partition_of(key, PARTITIONS)
        offset = offsets.get((topic, partition), 0)
        offsets[topic, partition] = offset + 1
        headers = [("ce_type", name.encode()), ("ce_workspace", workspace.encode())]
        found.append(Record(topic, partition, offset, 0, key, msgspec.json.encode(fact), headers))
    return found


_SHARED = tuple(set(alerts.FACTS.values()) & set(contract.FACTS.values()))


def _shared(fact: Fact) -> str:
    domain = "incidents" if fact.entity.startswith("i_") else "alerts"
    return f"tocsin.{domain}.{type(fact).__name__}.v1"


def owners(facts: list[Fact]) -> dict[str, str]:
    """The incident of each alert, as the facts say in the order they were decided in."""
    found: dict[str, str] = {}
    for fact in facts:
        match fact:
            case contract.AlertAdded():
                found[fact.alert.alert_id] = fact.incident_id
            case contract.AlertsAdopted(how="merge"):
                for alert_id, incident_id in found.items():
                    if incident_id == fact.from_incident_id:
                        found[alert_id] = fact.incident_id
            case contract.AlertsAdopted():
                found |= {one.alert_id: fact.incident_id for one in fact.members}
    return found
