"""The sources as settings describe them; what cannot be meant is said at start."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tocsin.encryption import Cipher
from tocsin.errors import StartError
from tocsin.ingest.secret_ring import SecretRing
from tocsin.ingest.webhook_sources import BINDABLE, Sources, sources
from tocsin.settings import Settings

WHSEC = "whsec_" + base64.b64encode(b"k" * 24).decode()


def made(**fields: Any) -> Sources:
    settings = Settings(_env_file=None).model_copy(update={"mappers_config_path": Path("/nowhere"), **fields})
    return sources(settings, SecretRing(None, Cipher("")))


def test_I1_secrets_of_the_environment_belong_to_the_default_workspace() -> None:
    found = made(
        sentry_client_secret=SecretStr("old, new"),
        pagerduty_routing_keys=SecretStr("a,b,c"),
        sns_topic_arns=("arn:aws:sns:eu-west-1:1:alarms",),
        standard_webhook_secret=SecretStr(WHSEC),
        open_sources=("generic", "cloudevents", "sentry"),
    )
    assert [tuple(secret) for secret in found.secrets("sentry")] == [
        ("old", "default", "first"),
        ("new", "default", "second"),
    ]
    assert [secret.label for secret in found.secrets("pagerduty")] == ["first", "second", "number 3"]
    assert found.secrets("cloudwatch")[0].value == "arn:aws:sns:eu-west-1:1:alarms"
    assert not found.secrets("datadog")
    assert not found.complete()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"sentry_client_secret": SecretStr("a,b,c")},
            "SENTRY_CLIENT_SECRET holds 3 secrets; 2 can be live at a time.",
        ),
        ({"standard_webhook_secret": SecretStr("!")}, "STANDARD_WEBHOOK_SECRET must be whsec_ or whpk_"),
        ({"open_sources": ("datadgo",)}, "TOCSIN_OPEN_SOURCES names datadgo; there are alertmanager, "),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StartError) as error:
        made(**fields)
    assert sentence in str(error.value)
    assert "a,b,c" not in str(error.value)


def test_every_source_with_a_secret_has_a_setting() -> None:
    assert set(BINDABLE) == {
        "sentry",
        "datadog",
        "alertmanager",
        "grafana",
        "github",
        "standard",
        "cloudwatch",
        "pagerduty",
    }
