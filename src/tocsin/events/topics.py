"""The one table of topics. Created before any worker starts; an existing topic that differs is reported as drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["events", "facts", "state", "dlq", "payloads", "live"]

DOMAINS: Final[tuple[str, ...]] = ("tickets", "alerts", "incidents", "jobs", "deliveries", "tasks")
PAYLOADS: Final = "tocsin.payloads.v1"
LIVE: Final = "tocsin.live.v1"
# A legal 1 MiB body always fits, with its envelope.
MAX_MESSAGE_BYTES: Final = 2 * 1024 * 1024
# Contexts and raw webhooks above this travel once through the payloads topic.
INLINE_PAYLOAD_BYTES: Final = 4 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """``configuration``: Kafka topic settings by their own names."""

    name: str
    kind: Kind
    purpose: str
    key: str
    configuration: Mapping[str, str] = field(default_factory=dict)


def events_topic(domain: str) -> str:
    return f"tocsin.{domain}.events.v1"


def facts_topic(domain: str) -> str:
    return f"tocsin.{domain}.facts.v1"


def state_topic(domain: str) -> str:
    return f"tocsin.{domain}.state.v1"


def dlq_topic(domain: str) -> str:
    return f"{events_topic(domain)}.dlq"


_COMMON = {"max.message.bytes": str(MAX_MESSAGE_BYTES), "compression.type": "producer"}
_DAY_MS = 24 * 60 * 60 * 1000


def topics(events_retention_days: int = 30) -> tuple[Topic, ...]:
    """Every topic of an installation; all have the installation's partition count."""
    table: list[Topic] = []
    for domain in DOMAINS:
        table += [
            Topic(
                events_topic(domain),
                "events",
                "what was reported, asked for or became due",
                "workspace/entity",
                {
                    **_COMMON,
                    "cleanup.policy": "delete",
                    "retention.ms": str(events_retention_days * _DAY_MS),
                    "message.timestamp.type": "LogAppendTime",
                },
            ),
            Topic(
                facts_topic(domain),
                "facts",
                "what was decided, and why; kept for ever",
                "workspace/entity",
                {**_COMMON, "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
            ),
            Topic(
                state_topic(domain),
                "state",
                "compacted snapshot that lets a new owner continue; nobody else reads it",
                "workspace/entity",
                {
                    **_COMMON,
                    "cleanup.policy": "compact",
                    # recovery reads the uncompacted tail: with Kafka's defaults that is up to 1 GiB
                    "segment.bytes": str(32 * 1024 * 1024),
                    "segment.ms": "60000",
                    "min.cleanable.dirty.ratio": "0.1",
                    "max.compaction.lag.ms": "60000",
                },
            ),
            Topic(
                dlq_topic(domain),
                "dlq",
                "records that could not be decided, untouched, with dlq.* headers",
                "as the original",
                {**_COMMON, "cleanup.policy": "delete", "retention.ms": str(30 * _DAY_MS)},
            ),
        ]
    table.append(
        Topic(
            PAYLOADS,
            "payloads",
            "bodies over 4 KiB, once each",
            "SHA-256 of the value",
            {**_COMMON, "cleanup.policy": "compact"},
        )
    )
    table.append(
        Topic(
            LIVE,
            "live",
            "what clients hear of as it happens; all of a workspace in one partition",
            "workspace",
            {**_COMMON, "cleanup.policy": "delete", "retention.ms": str(7 * _DAY_MS)},
        )
    )
    return tuple(table)
