"""Publishes the SLA policy: its file, with what else of the configuration decisions need, its URLs sealed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tocsin import secret_headers
from tocsin.egress import urls
from tocsin.encryption import Cipher
from tocsin.events.sla import SlaPolicyActivated
from tocsin.events.tickets import DOMAIN
from tocsin.ingest.policies import PolicyPublisher
from tocsin.ingest.publish import Publisher
from tocsin.policies import PolicyError
from tocsin.sla_policy import read_sla_policy

NAME: Final = "sla"


class SlaPolicyPublisher(PolicyPublisher):
    """Keeps the tickets domain informed of ``SLA_CONFIG_PATH``. ``public_url``: what links begin with."""

    def __init__(self, publisher: Publisher, partitions: int, path: Path, public_url: str, cipher: Cipher) -> None:
        super().__init__(publisher, partitions, path, self._read_file, policy=NAME, domain=DOMAIN)
        self._public_url, self._cipher = public_url.rstrip("/"), cipher

    def _read_file(self, path: Path) -> dict[str, Any]:
        """Raises PolicyError, also for URLs that cannot be kept secret."""
        body = read_sla_policy(path) | {"public_url": self._public_url}
        if not any(channel["url"] for channel in body["channels"].values()):
            return body
        if not self._cipher.fingerprint:
            raise PolicyError(f"{path.name}: a url of a channel cannot be kept without TOCSIN_ENCRYPTION_KEYS")
        # another key is another version: its URLs are sealed anew before the old key is taken away
        return body | {"sealed_with": self._cipher.fingerprint}

    def event(self, version: str, body: dict[str, Any]) -> SlaPolicyActivated:
        """``version``: of the body with its URLs in the clear, since what seals them is different every time."""
        channels = {name: self._sealed(channel) for name, channel in body["channels"].items()}
        return SlaPolicyActivated(version=version, body={**body, "channels": channels})

    def _sealed(self, channel: dict[str, Any]) -> dict[str, Any]:
        url: str = channel["url"]
        if not url:
            return {**channel, "endpoint": ""}
        return {**channel, "url": secret_headers.seal(url, self._cipher), "endpoint": urls.read(url).endpoint}
