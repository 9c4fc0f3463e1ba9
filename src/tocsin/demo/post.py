"""One webhook of the story, and how its sender signs it; the ids that make a story the same story again."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Telling:
    """``seed`` names the story, ``began_ms`` (Unix ms) is when it begins."""

    seed: int
    began_ms: int

    def at(self, minute: int) -> int:
        return self.began_ms + minute * MINUTE_MS

    def digits(self, count: int, *name: object) -> str:
        """A number of so many digits, always the same for this seed and name."""
        return str(10 ** (count - 1) + int(self.hex(32, *name), 16) % (9 * 10 ** (count - 1)))

    def hex(self, count: int, *name: object) -> str:
        """The same in at most 64 hexadecimal digits."""
        said = "\0".join(map(str, ("tocsin demo", self.seed, *name)))
        return hashlib.sha256(said.encode()).hexdigest()[:count]


class Post(NamedTuple):
    """``fingerprints``: of the alerts it speaks of, as the gateway names them. ``group``: see ``Alert.group``.

    ``at``: Unix ms.
    """

    at: int
    source: str
    fingerprints: tuple[str, ...]
    group: tuple[str, str]
    body: bytes
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return f"/webhooks/{self.source}"

    def signed(self, secret: str) -> Mapping[str, str]:
        """Its headers as the sender makes them with this secret; without one nothing is added."""
        own = {"content-type": "application/json", **self.headers}
        return {**own, **_SIGNING[self.source](secret, self.body)} if secret else own


def _sentry(secret: str, body: bytes) -> dict[str, str]:
    return {"sentry-hook-signature": hmac.digest(secret.encode(), body, hashlib.sha256).hex()}


_SIGNING = {
    "alertmanager": lambda secret, _body: {"authorization": f"Bearer {secret}"},
    "datadog": lambda secret, _body: {"x-webhook-secret": secret},
    "sentry": _sentry,
}
SOURCES = tuple(_SIGNING)


def encoded(body: Mapping[str, Any]) -> bytes:
    return orjson.dumps(body)


def iso(milliseconds: int) -> str:
    """RFC 3339 in whole seconds, as these senders write it."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
