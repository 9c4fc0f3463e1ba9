"""CloudWatch alarms, as SNS delivers them: JSON inside the text of an SNS message (or bare, with raw delivery).

Source: docs.aws.amazon.com/AmazonCloudWatch, alarms and SNS. INSUFFICIENT_DATA says neither that an alarm is on nor
that it is over. The alarm's ARN names it; old bodies lack it, then account, region and name do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from tocsin.events.alerts import AlertReceived
from tocsin.events.vocabulary import AlertTransition
from tocsin.ingest.sources import sns
from tocsin.ingest.sources.webhook import (
    MAX_MESSAGE,
    MAX_TITLE,
    Delivery,
    Reading,
    Unreadable,
    document,
    fingerprint,
    first,
    instant,
    mapping,
    tags,
    text,
    verbatim,
)

SOURCE: Final = "cloudwatch"
ARN_RULE: Final = "the alarm's ARN"
NAME_RULE: Final = "account, region and name of the alarm, since the message has no ARN"
_TRANSITIONS: Final[Mapping[str, AlertTransition]] = {"ALARM": "triggered", "OK": "resolved"}


def parse(delivery: Delivery) -> Reading:
    """Raises Unreadable."""
    message = sns.envelope(delivery.body)
    if message is None:
        return _alarm(delivery, delivery.body, delivery.header("x-amz-sns-message-id"))
    if message["Type"] != sns.NOTIFICATION:
        return Reading(reason=f"{message['Type']} is no alarm", delivery_id=message["MessageId"])
    return _alarm(delivery, message["Message"].encode(), message["MessageId"])


def _alarm(delivery: Delivery, body: bytes, message_id: str) -> Reading:
    alarm = document(body)
    if not text(alarm.get("AlarmName")):
        return Reading(reason="the message is no alarm", delivery_id=message_id)
    state = text(alarm.get("NewStateValue"))
    transition = _TRANSITIONS.get(state)
    if transition is None:
        return Reading(reason=f"the state {state or '(none)'} of an alarm says nothing", delivery_id=message_id)
    rule, name, identity = _identity(alarm)
    trigger = mapping(alarm.get("Trigger"))
    dimensions = _dimensions(trigger)
    found = AlertReceived(
        source=SOURCE,
        fingerprint=name,
        fingerprint_rule=rule,
        fingerprint_fields=identity,
        transition=transition,
        occurred_at=instant(alarm.get("StateChangeTime"), delivery.now_ms),
        title=text(alarm.get("AlarmName"), MAX_TITLE),
        message=first(text(alarm.get("NewStateReason"), MAX_MESSAGE), text(alarm.get("AlarmDescription"), MAX_MESSAGE)),
        service=first(*(dimensions.get(name, "") for name in ("ServiceName", "FunctionName", "DBInstanceIdentifier"))),
        tags=tags(
            {
                **dimensions,
                "account": alarm.get("AWSAccountId"),
                "region": alarm.get("Region"),
                "namespace": trigger.get("Namespace"),
                "metric": trigger.get("MetricName"),
            }
        ),
        url=_console(identity.get("AlarmArn", "")),
        context=verbatim(body),
    )
    return Reading([found], delivery_id=message_id)


def _identity(alarm: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    if arn := text(alarm.get("AlarmArn"), 400):
        return ARN_RULE, fingerprint(SOURCE, arn), {"AlarmArn": arn}
    fields = {name: text(alarm.get(name), 300) for name in ("AWSAccountId", "Region", "AlarmName")}
    if not all(fields.values()):
        raise Unreadable("the alarm has neither an ARN nor account, region and name")
    return NAME_RULE, fingerprint(SOURCE, *fields.values()), fields


def _dimensions(trigger: dict[str, Any]) -> dict[str, str]:
    """Absent for composite alarms; names are ``name`` and ``value``, in upper or lower case."""
    found = trigger.get("Dimensions")
    pairs = [mapping(one) for one in found] if isinstance(found, list) else []
    return tags({text(one.get("name") or one.get("Name")): one.get("value") or one.get("Value") for one in pairs})


def _console(arn: str) -> str:
    """The alarm in the console; empty outside the standard partition."""
    parts = arn.split(":", 6)
    if len(parts) < 7 or parts[1] != "aws":
        return ""
    region, name = quote(parts[3], safe=""), quote(parts[6], safe="")
    return f"https://console.aws.amazon.com/cloudwatch/home?region={region}#alarmsV2:alarm/{name}"
