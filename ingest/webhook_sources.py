"""What an installation knows of its webhook sources: their live secrets, and which of them need none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from tocsin.authentication import DEFAULT_WORKSPACE
from tocsin.errors import StartError
from tocsin.ingest.fetch import Fetch, HttpFetch, nothing
from tocsin.ingest.mappers import mappers
from tocsin.ingest.secret_ring import SecretRing
from tocsin.ingest.sources import standard_webhooks
from tocsin.ingest.sources.generic import Mapper
from tocsin.ingest.sources.signatures import Secret, labelled
from tocsin.settings import Settings

# During a rotation the old secret and the new one.
MOST_SECRETS: Final = 2
_SETTINGS: Final[Mapping[str, str]] = {
    "sentry": "sentry_client_secret",
    "datadog": "datadog_webhook_secret",
    "alertmanager": "alertmanager_webhook_secret",
    "grafana": "grafana_webhook_secret",
    "github": "github_webhook_secret",
    "standard": "standard_webhook_secret",
}


# A topic or a routing key a service: there may be any number.
MANY: Final = ("cloudwatch", "pagerduty")
BINDABLE: Final = (*_SETTINGS, *MANY)
"""Sources whose secret can belong to a workspace; the others are admitted by an API key, which has one."""
_OPENABLE: Final = frozenset({*BINDABLE, "cloudevents", "generic"})


def none_known(_source: str) -> Sequence[Secret]:
    return ()


def always() -> bool:
    return True


def no_mapper(_name: str) -> Mapper | None:
    return None


@dataclass(frozen=True, slots=True)
class Sources:
    """``secrets``: the live ones of a source, in the order they are tried. ``open``: sources that need none.

    ``mapper``: of ``/webhooks/generic/<name>``. ``fetch``: asks SNS for certificates and confirmations. ``complete``:
    whether every secret is known, so that an unknown one is a wrong one.
    """

    secrets: Callable[[str], Sequence[Secret]] = none_known
    open: frozenset[str] = frozenset()
    mapper: Callable[[str], Mapper | None] = no_mapper
    fetch: Fetch = nothing
    complete: Callable[[], bool] = always


NO_SOURCES: Final = Sources()


def sources(settings: Settings, ring: SecretRing) -> Sources:
    """The sources as the settings describe them, with the secrets of other workspaces. Raises StartError."""
    known = {source: labelled(_secrets(settings, name), DEFAULT_WORKSPACE) for source, name in _SETTINGS.items()}
    known["cloudwatch"] = labelled(settings.sns_topic_arns, DEFAULT_WORKSPACE)
    known["pagerduty"] = labelled(_parts(settings.pagerduty_routing_keys), DEFAULT_WORKSPACE)
    if not all(standard_webhooks.usable(secret.value) for secret in known["standard"]):
        raise StartError("STANDARD_WEBHOOK_SECRET must be whsec_ or whpk_ followed by base64.")
    if unknown := sorted(set(settings.open_sources) - _OPENABLE):
        raise StartError(f"TOCSIN_OPEN_SOURCES names {', '.join(unknown)}; there are {', '.join(sorted(_OPENABLE))}.")
    return Sources(
        lambda source: [*known.get(source, ()), *ring.of(source)],
        frozenset(settings.open_sources),
        mappers(settings.mappers_config_path).get,
        HttpFetch(),
        lambda: ring.loaded,
    )


def _secrets(settings: Settings, name: str) -> list[str]:
    values = _parts(getattr(settings, name))
    if len(values) > MOST_SECRETS:
        raise StartError(f"{name.upper()} holds {len(values)} secrets; {MOST_SECRETS} can be live at a time.")
    return values


def _parts(setting: SecretStr) -> list[str]:
    return [part.strip() for part in setting.get_secret_value().split(",") if part.strip()]
