"""Credentials reach every client of Kafka from one place."""

from __future__ import annotations

import ast
import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from tocsin import kafka_security
from tocsin.errors import StartError
from tocsin.ingest.kafka import KafkaPublisher
from tocsin.kafka_security import client_options
from tocsin.settings import Settings
from tocsin.streams.runtime import app

ROOT = Path(__file__).parents[2]
SASL = {"kafka_sasl_mechanism": "SCRAM-SHA-512", "kafka_sasl_username": "tocsin", "kafka_sasl_password": "hush"}


def given(protocol: str, **more: str) -> Settings:
    values = {"kafka_bootstrap_servers": "k:9096", "kafka_security_protocol": protocol, **more}
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def test_S10_a_plain_broker_is_told_nothing() -> None:
    assert client_options(Settings(_env_file=None)) == {}


def test_S10_scram_over_tls_verifies_who_answers() -> None:
    options = client_options(given("SASL_SSL", **SASL))
    context = options.pop("ssl_context")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "tocsin",
        "sasl_plain_password": "hush",
    }


def test_S10_a_file_without_certificates_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"KAFKA_CA_FILE=.*no certificates"):
        client_options(given("SSL", kafka_ca_file=str(tmp_path / "none.pem")))


@pytest.mark.parametrize(
    ("protocol", "more"), [("PLAINTEXT", {}), ("SSL", {}), ("SASL_SSL", SASL), ("SASL_PLAINTEXT", SASL)]
)
def test_S10_faust_is_told_the_same(monkeypatch: pytest.MonkeyPatch, protocol: str, more: dict[str, str]) -> None:
    monkeypatch.setattr(kafka_security, "settings", lambda: given(protocol, **more))
    wanted = {"security_protocol": "PLAINTEXT", **client_options()}
    found = {name: value for name, value in credentials_to_aiokafka_auth(app._credentials()).items() if value}
    assert found == wanted


def clients() -> Iterator[tuple[str, ast.Call]]:
    """Every place of the product where a client of Kafka is made."""
    for folder in ("src", "ingest", "streams", "projections", "api"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "").startswith("AIOKafka"):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_S10_every_client_is_made_with_them() -> None:
    found = dict(clients())
    assert len(found) >= 11
    bare = [
        where
        for where, call in found.items()
        if not any(
            isinstance(one.value, ast.Call) and getattr(one.value.func, "id", "") == "client_options"
            for one in call.keywords
            if one.arg is None
        )
    ]
    assert bare == []


def test_S10_so_is_the_gateways_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_security, "settings", lambda: given("SASL_SSL", **SASL))
    assert KafkaPublisher("k:9096")._options.items() >= client_options().items()


async def test_S10_a_broker_that_does_not_say_goodbye_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    goodbye, stopped = asyncio.Event(), asyncio.Event()

    class Client:
        async def stop(self) -> None:
            await goodbye.wait()
            stopped.set()

    monkeypatch.setattr(kafka_security, "_GOODBYE_SECONDS", 0.01)
    async with asyncio.timeout(10):
        await kafka_security.stop_client(Client())
        assert not stopped.is_set()
        goodbye.set()
        await stopped.wait()  # it was left to stop by itself, not cut in the middle


async def test_S10_a_client_that_cannot_stop_says_so() -> None:
    class Client:
        async def stop(self) -> None:
            raise KafkaConnectionError("gone")

    with pytest.raises(KafkaConnectionError, match="gone"):
        await kafka_security.stop_client(Client())
