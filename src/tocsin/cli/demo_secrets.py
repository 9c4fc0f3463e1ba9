"""What the demo signs with: secrets that are given or set, else temporary ones of the installation of this directory.

A temporary secret is made from the installation's encryption key: one that a killed run left behind is found again by
the next, which revokes it at its end.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from tocsin.cli.database import connection
from tocsin.cli.sources import cipher_of_settings, holds
from tocsin.errors import StartError
from tocsin.settings import Settings

SETTINGS: Final[Mapping[str, str]] = {
    "alertmanager": "alertmanager_webhook_secret",
    "datadog": "datadog_webhook_secret",
    "sentry": "sentry_client_secret",
}
_WORKSPACE: Final = "default"


def known(settings: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """The secret of each source: as given, else the first one set, else empty where the source is open."""
    found: dict[str, str] = {}
    for source, setting in SETTINGS.items():
        configured = getattr(settings, setting).get_secret_value().partition(",")[0].strip()
        if (secret := given.get(source) or configured) or source in settings.open_sources:
            found[source] = secret
    return found


def to_be_set(sources: Iterable[str]) -> str:
    """The names of their settings, for a sentence."""
    return ", ".join(SETTINGS[source].upper() for source in sources)


@contextmanager
def temporary(settings: Settings, sources: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """Live secrets of these sources in the workspace ``default``; revoked at the end. Raises StartError."""
    secrets = {source: secret_of(settings, source) for source in sources}
    ids: list[str] = []
    try:
        if secrets:
            asyncio.run(_bind(secrets, ids))
        yield secrets
    finally:
        if ids:
            asyncio.run(_revoke(ids))


def secret_of(settings: Settings, source: str) -> str:
    """The temporary one of this installation. Raises StartError."""
    _ = settings.database  # without a running installation that is the reason
    if not (key := settings.encryption_keys.get_secret_value().partition(",")[0].strip()):
        raise StartError(f"Set {to_be_set(SETTINGS)} as the gateway has them, or TOCSIN_ENCRYPTION_KEYS.")
    return hmac.digest(key.encode(), f"tocsin demo {source}".encode(), hashlib.sha256).hex()


async def _bind(secrets: Mapping[str, str], ids: list[str]) -> None:
    """Makes them live; ``ids`` gets the id of each as soon as it is."""
    from tocsin import source_secrets
    from tocsin.ingest.webhook_sources import MOST_SECRETS

    cipher = cipher_of_settings()
    async with connection() as opened:
        for source, secret in secrets.items():
            live = await source_secrets.every(opened, _WORKSPACE, source, live=True)
            if left := [row.secret_id for row in live if holds(cipher, row, secret)]:
                ids += left
            elif len(live) < MOST_SECRETS:
                added = await source_secrets.add(opened, _WORKSPACE, source, cipher.encrypt(secret))
                ids.append(added.secret_id)
            else:
                raise StartError(f"{len(live)} secrets of {source} are live already; set {to_be_set([source])}.")


async def _revoke(ids: Sequence[str]) -> None:
    from tocsin import source_secrets

    async with connection() as opened:
        for secret_id in ids:
            try:
                await source_secrets.revoke(opened, secret_id)
            except source_secrets.UnknownSecret:
                continue  # somebody was faster
