"""What an installation knows of its webhook sources: their live secrets, and which of them need none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from tocsin.authentication import DEFAULT_WORKSPACE
from tocsin.errors import StartError
from tocsin.ingest.sources.signatures import Secret, labelled
from tocsin.settings import Settings

# During a rotation the old secret and the new one.
MOST_SECRETS: Final = 2
_SETTINGS: Final[Mapping[str, str]] = {
    "sentry": "sentry_client_secret",
    "datadog": "datadog_webhook_secret",
    "alertmanager": "alertmanager_webhook_secret",
}


def none_known(_source: str) -> Sequence[Secret]:
    return ()


@dataclass(frozen=True, slots=True)
class Sources:
    """``secrets``: the live ones of a source, in the order they are tried. ``open``: sources that need none."""

    secrets: Callable[[str], Sequence[Secret]] = none_known
    open: frozenset[str] = frozenset()


NO_SOURCES: Final = Sources()


def sources(settings: Settings) -> Sources:
    """The sources as the settings describe them. Raises StartError."""
    known = {source: _secrets(settings, name) for source, name in _SETTINGS.items()}
    return Sources(lambda source: known.get(source, ()), frozenset(settings.open_sources))


def _secrets(settings: Settings, name: str) -> Sequence[Secret]:
    setting: SecretStr = getattr(settings, name)
    values = [part.strip() for part in setting.get_secret_value().split(",") if part.strip()]
    if len(values) > MOST_SECRETS:
        raise StartError(f"{name.upper()} holds {len(values)} secrets; {MOST_SECRETS} can be live at a time.")
    return labelled(values, DEFAULT_WORKSPACE)
