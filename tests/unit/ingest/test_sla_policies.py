"""How the SLA policy travels: to every partition of tickets, with its URLs sealed (S6)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet
from prometheus_client import REGISTRY

from tocsin import secret_headers
from tocsin.encryption import Cipher
from tocsin.events.sla import SlaPolicyActivated
from tocsin.events.topics import events_topic
from tocsin.ingest.publish import MemoryPublisher
from tocsin.ingest.sla_policies import SlaPolicyPublisher
from tocsin.streams.domain.ticket_policy import SLA, policy_of

KEY = Cipher(Fernet.generate_key().decode())
TARGETS = "targets: {resolution: {default: {high: 1h}}}\n"
SECRET = "https://hooks.slack.com/services/T0/B0/hunter2"
WITH_URL = TARGETS + f"channels: {{pay: {{kind: slack, url: '{SECRET}'}}}}\ndefault_channel: pay\n"


def publisher(tmp_path: Path, text: str, cipher: Cipher = KEY) -> tuple[SlaPolicyPublisher, MemoryPublisher]:
    path = tmp_path / "sla.yaml"
    path.write_text(text)
    memory = MemoryPublisher()
    return SlaPolicyPublisher(memory, 3, path, "https://tocsin.example/", cipher), memory


def sent(memory: MemoryPublisher) -> list[SlaPolicyActivated]:
    return [msgspec.json.decode(record.value, type=SlaPolicyActivated) for record in memory.records]


def errors_counted() -> float:
    return REGISTRY.get_sample_value("tocsin_policy_errors_total", {"policy": "sla"}) or 0


async def test_S6_the_policy_goes_to_every_partition_of_tickets(tmp_path: Path) -> None:
    policies, memory = publisher(tmp_path, TARGETS)
    await policies.publish()
    assert [(record.topic, record.partition, record.key) for record in memory.records] == [
        (events_topic("tickets"), number, b"policy/sla") for number in range(3)
    ]
    types = {dict(record.headers)["ce_type"] for record in memory.records}
    assert types == {b"tocsin.tickets.SlaPolicyActivated.v1"}
    assert sent(memory)[0].body["public_url"] == "https://tocsin.example"
    assert policy_of({SLA: sent(memory)[0].body}).sla is not None


async def test_S6_the_url_of_a_channel_is_sealed_and_its_version_stays(tmp_path: Path) -> None:
    policies, memory = publisher(tmp_path, WITH_URL)
    again, other = publisher(tmp_path, WITH_URL)
    await policies.publish()
    await again.publish()
    assert all(b"hunter2" not in record.value for record in memory.records)
    channel = sent(memory)[0].body["channels"]["pay"]
    assert secret_headers.opened(channel["url"], KEY) == SECRET
    assert channel["endpoint"] == "https://hooks.slack.com:443"
    assert sent(memory)[0].version == sent(other)[0].version


async def test_S6_another_key_seals_the_urls_anew(tmp_path: Path) -> None:
    one, memory = publisher(tmp_path, WITH_URL)
    other, again = publisher(tmp_path, WITH_URL, Cipher(Fernet.generate_key().decode()))
    await one.publish()
    await other.publish()
    assert sent(memory)[0].version != sent(again)[0].version


async def test_S6_a_broken_file_keeps_the_old_policy_and_is_counted(tmp_path: Path) -> None:
    policies, memory = publisher(tmp_path, TARGETS)
    await policies.publish()
    before = errors_counted()
    new = tmp_path / "new.yaml"
    new.write_text("targets: {}\n")
    new.rename(tmp_path / "sla.yaml")
    await policies.publish()
    assert (errors_counted() - before, len(memory.records)) == (1, 3)


async def test_S6_a_url_is_not_published_without_a_key_to_seal_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policies, memory = publisher(tmp_path, WITH_URL, Cipher(""))
    before = errors_counted()
    await policies.publish()
    assert (errors_counted() - before, memory.records) == (1, [])
    assert "hunter2" not in caplog.text
