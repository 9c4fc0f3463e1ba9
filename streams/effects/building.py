"""Makes the request of one attempt: the bytes, the headers in the clear, the signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tocsin import channels, secret_headers
from tocsin.egress.refusal import Refused
from tocsin.encryption import CannotDecrypt, Cipher
from tocsin.events.deliveries import AwsTask
from tocsin.events.times import unix_ms
from tocsin.streams.domain.delivery_state import DeliveryState
from tocsin.streams.domain.poll_answer import MAX_ANSWER_BYTES
from tocsin.streams.effects.capture import LIMIT
from tocsin.streams.effects.headers import Attempt, complete
from tocsin.streams.effects.request import OutgoingRequest


class Unsendable(Exception):
    """What was to be sent cannot be; no later attempt could. ``str(error)`` is a sentence without secrets."""


class Bodies(Protocol):
    async def get(self, digest: str) -> bytes: ...


class Secrets(Protocol):
    def of(self, workspace: str) -> Sequence[str]: ...


class Builder:
    """``request`` for each attempt anew: its time is signed. ``channels``: their URLs, by name."""

    def __init__(self, bodies: Bodies, secrets: Secrets, cipher: Cipher, channels: Mapping[str, str]) -> None:
        self._bodies, self._secrets, self._cipher, self._channels = bodies, secrets, cipher, channels

    async def body(self, state: DeliveryState) -> bytes:
        """Raises payloads.NotYet."""
        if state.request.payload_digest:
            return await self._bodies.get(state.request.payload_digest)
        return bytes(state.request.payload)

    def request(self, state: DeliveryState, workspace: str, body: bytes, started_at: int) -> OutgoingRequest:
        """``started_at``: Unix ms. Raises Unsendable."""
        attempt = Attempt(
            message_id=state.origin.run_id,
            number=state.attempt,
            scheduled_for=unix_ms(state.scheduled_for),
            started_at=started_at,
            secrets=self._secrets.of(workspace),
        )
        try:
            headers = complete(secret_headers.opened_all(state.request.headers, self._cipher), attempt, body)
        except CannotDecrypt:
            raise Unsendable("A secret header cannot be decrypted with the keys of this installation") from None
        except Refused as refused:
            raise Unsendable(refused.refusal.message) from None
        asked = state.request
        if asked.channel:
            return OutgoingRequest(self._channel(asked.channel), body, workspace, headers, by_operator=True)
        return OutgoingRequest(
            self._opened(asked.url),
            body,
            workspace,
            headers,
            method=asked.method,
            by_operator=asked.by_operator,
            # only the installation's own keys seal, and only what the operator configured
            trusted=asked.by_operator and secret_headers.is_sealed(asked.url),
            most_bytes=LIMIT if asked.reading is None else MAX_ANSWER_BYTES,
        )

    def token(self, told: AwsTask) -> str:
        """Raises Unsendable."""
        try:
            return secret_headers.opened(told.token, self._cipher)
        except CannotDecrypt:
            raise Unsendable("The task token cannot be decrypted with the keys of this installation") from None

    def _opened(self, url: str) -> str:
        try:
            return secret_headers.opened(url, self._cipher)
        except CannotDecrypt:
            raise Unsendable("The URL of the channel cannot be decrypted with the keys of this installation") from None

    def _channel(self, name: str) -> str:
        """Its URL is a secret: it is in no record, and the operator may change it while deliveries wait."""
        if url := self._channels.get(name):
            return url
        raise Unsendable(channels.missing(name))
