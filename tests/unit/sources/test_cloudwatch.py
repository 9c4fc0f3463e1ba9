"""CloudWatch alarms inside SNS messages, and what of an SNS message is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sns import CERTIFICATE, TOPIC, message, subscription
from tests.unit.sources.given import NOW, alert, body, delivery
from tocsin.ingest.sources import sns
from tocsin.ingest.sources.cloudwatch import ARN_RULE, NAME_RULE, parse
from tocsin.ingest.sources.webhook import Unreadable

ALARM = body("cloudwatch/alarm.json")
ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:orders-db-cpu"


def test_I1_an_alarm_in_its_envelope() -> None:
    reading = parse(delivery(message(ALARM), "certificate"))
    found = alert(reading)
    assert (found.fingerprint, found.fingerprint_rule) == (f"cloudwatch:{ARN}", ARN_RULE)
    assert (found.transition, found.occurred_at) == ("triggered", "2022-07-13T20:52:12.456Z")
    assert (found.title, found.service) == ("orders-db-cpu", "orders")
    assert found.message.startswith("Threshold Crossed")
    assert found.tags == {
        "DBInstanceIdentifier": "orders",
        "account": "123456789012",
        "region": "US East (N. Virginia)",
        "namespace": "AWS/RDS",
        "metric": "CPUUtilization",
    }
    assert found.url.endswith("region=us-east-1#alarmsV2:alarm/orders-db-cpu")
    assert json.loads(bytes(found.context)) == ALARM
    assert reading.delivery_id == message(ALARM)["MessageId"]


def test_I1_a_raw_delivery_says_the_same() -> None:
    assert alert(parse(delivery(ALARM, "open"))).fingerprint == f"cloudwatch:{ARN}"


def test_I1_ok_resolves() -> None:
    assert alert(parse(delivery(message(ALARM | {"NewStateValue": "OK"})))).transition == "resolved"


def test_I2_an_old_body_or_a_composite_alarm() -> None:
    old = {name: value for name, value in ALARM.items() if name not in {"AlarmArn", "Trigger"}}
    found = alert(parse(delivery(message(old))))
    assert found.fingerprint == "cloudwatch:123456789012:US East (N. Virginia):orders-db-cpu"
    assert (found.fingerprint_rule, found.url) == (NAME_RULE, "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            message(ALARM | {"NewStateValue": "INSUFFICIENT_DATA"}),
            "the state INSUFFICIENT_DATA of an alarm says nothing",
        ),
        (message({"hello": 1}), "the message is no alarm"),
        (subscription(), "SubscriptionConfirmation is no alarm"),
    ],
)
def test_I1_everything_else_is_accepted(content: dict[str, Any], reason: str) -> None:
    assert parse(delivery(content)).reason == reason


@pytest.mark.parametrize("text", ["hello", "", "[]"])
def test_I2_a_message_that_is_no_json_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(delivery(message(text)))
    with pytest.raises(Unreadable, match="neither an ARN"):
        parse(delivery(message({"AlarmName": "a", "NewStateValue": "OK"})))


# --- signatures and addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", ["ALARM: orders-db-cpu", None])
def test_I1_both_signature_versions(version: str, subject: str | None) -> None:
    found = message(ALARM, version=version, subject=subject)
    assert sns.signed_by(found, CERTIFICATE, NOW)
    for name in ("Message", "MessageId", "Timestamp", "TopicArn"):
        assert not sns.signed_by(found | {name: found[name] + " "}, CERTIFICATE, NOW)
    assert not sns.signed_by(found | {"SignatureVersion": "2" if version == "1" else "1"}, CERTIFICATE, NOW)


@pytest.mark.parametrize("signature", ["", "!", "AAAA", "é"])
def test_I1_a_malformed_signature_is_no_match(signature: str) -> None:
    assert not sns.signed_by(message(ALARM) | {"Signature": signature}, CERTIFICATE, NOW)
    assert not sns.signed_by(message(ALARM), b"no certificate", NOW)
    assert not sns.signed_by(message(ALARM) | {"SignatureVersion": "3"}, CERTIFICATE, NOW)


def test_I1_an_ended_certificate_is_no_match() -> None:
    assert not sns.signed_by(message(ALARM), CERTIFICATE, NOW + 100 * 365 * 86_400_000)


def test_what_is_signed() -> None:
    assert sns.string_to_sign(
        {"Type": "Notification", "Message": "m", "MessageId": "i", "Timestamp": "t", "TopicArn": TOPIC}
    ) == (f"Message\nm\nMessageId\ni\nTimestamp\nt\nTopicArn\n{TOPIC}\nType\nNotification\n".encode())


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-f3ec.pem", True),
        ("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-f3ec.pem", True),
        ("https://sns.us-east-1.amazonaws.com:443/a.pem", True),
        ("http://sns.us-east-1.amazonaws.com/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com:8443/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com:x/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com.evil.example/a.pem", False),
        ("https://evil.example/sns.us-east-1.amazonaws.com/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com@evil.example/a.pem", False),
        ("https://evil.example\\@sns.us-east-1.amazonaws.com/a.pem", False),
        ("https://sns.us-east-1.amazonaws.com/a.pem?x=1", False),
        ("https://sns.us-east-1.amazonaws.com/a.pem#x", False),
        ("https://sns.us-east-1.amazonaws.com/a.txt", False),
        ("https://s3.us-east-1.amazonaws.com/a.pem", False),
        ("https://sns.evil.example/a.pem", False),
        ("https://sns.a.b.amazonaws.com/a.pem", False),
        ("https://127.0.0.1/a.pem", False),
        ("https://[::1/a.pem", False),
        ("file:///etc/passwd.pem", False),
        ("https://sns.us-east-1.amazonaws.com\n.evil.example/a.pem", False),
        ("", False),
    ],
)
def test_I1_only_addresses_of_sns_are_fetched(url: str, trusted: bool) -> None:
    assert sns.trusted(url, certificate=True) is trusted
