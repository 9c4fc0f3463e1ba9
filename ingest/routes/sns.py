"""``/webhooks/cloudwatch``: SNS messages. Their signature is inside the body, its certificate at an address of SNS."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request, Response

from tocsin.authentication import DEFAULT_WORKSPACE
from tocsin.ingest.fetch import FetchError
from tocsin.ingest.records import encode
from tocsin.ingest.routes import webhooks_documentation as documentation
from tocsin.ingest.routes.webhooks import delivery_of, shared
from tocsin.ingest.sources import sns
from tocsin.ingest.sources.catalogue import CLOUDWATCH
from tocsin.ingest.sources.signatures import Secret
from tocsin.ingest.sources.webhook import OPEN, Delivery
from tocsin.ingest.webhook_records import Taken
from tocsin.ingest.webhooks import Admitted, Webhooks
from tocsin.problems import unavailable

log = structlog.get_logger(__name__)

CERTIFICATE: Final = "certificate"
_KEPT_CERTIFICATES: Final = 32
_FETCHES_AT_ONCE: Final = 4


class SnsRoute:
    """Admits messages of the topics that are allowed, and confirms their subscriptions."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._certificates: OrderedDict[str, bytes] = OrderedDict()
        self._fetching = asyncio.Semaphore(_FETCHES_AT_ONCE)

    async def receive(self, request: Request) -> Response:
        delivery = await delivery_of(request)
        message = sns.envelope(delivery.body)
        if message is None:
            admitted = self._without_envelope()
        else:
            admitted = await self._admitted(message, delivery)
        delivery = replace(delivery, verified_by=admitted.verified_by)
        if message is not None and message["Type"] == sns.SUBSCRIPTION:
            taken = await self._confirmed(message)
        else:
            taken = await self._webhooks.take(CLOUDWATCH.name, CLOUDWATCH.parse, delivery, shared(request, admitted))
        return Response(encode(taken), 202, media_type="application/json")

    def _without_envelope(self) -> Admitted:
        """Raw delivery has no signature. Raises Problem 401."""
        if CLOUDWATCH.name in self._webhooks.sources.open:
            return Admitted(DEFAULT_WORKSPACE, OPEN)
        raise self._webhooks.refusal(CLOUDWATCH.name, "The body is no signed SNS message")

    async def _admitted(self, message: sns.Envelope, delivery: Delivery) -> Admitted:
        """Raises Problem 401, or 503 when the certificate cannot be fetched: SNS sends again."""
        topic = self._topic(message["TopicArn"])
        if topic is None:
            raise self._webhooks.refusal(CLOUDWATCH.name, "The topic is not among the allowed ones")
        address = message.get("SigningCertURL", "")
        if not sns.trusted(address, certificate=True):
            raise self._webhooks.refusal(CLOUDWATCH.name, "SigningCertURL is no address of SNS")
        if not sns.may_be_signed(message):
            raise self._webhooks.refusal(CLOUDWATCH.name, "The message has no signature")
        if not sns.signed_by(message, await self._certificate(address), delivery.now_ms):
            raise self._webhooks.refusal(CLOUDWATCH.name, "The signature does not match")
        return Admitted(topic.workspace, CERTIFICATE)

    def _topic(self, arn: str) -> Secret | None:
        allowed = self._webhooks.sources.secrets(CLOUDWATCH.name)
        if found := next((topic for topic in allowed if topic.value == arn), None):
            return found
        return Secret(arn, DEFAULT_WORKSPACE, OPEN) if CLOUDWATCH.name in self._webhooks.sources.open else None

    async def _certificate(self, address: str) -> bytes:
        if (known := self._certificates.get(address)) is not None:
            return known
        found = await self._fetched(address)
        if not sns.is_certificate(found):
            raise unavailable("SNS answered with something else than a certificate", 5)
        self._certificates[address] = found
        while len(self._certificates) > _KEPT_CERTIFICATES:
            self._certificates.popitem(last=False)
        return found

    async def _confirmed(self, message: sns.Envelope) -> Taken:
        """Raises Problem 401, 503."""
        if not sns.trusted(message["SubscribeURL"]):
            raise self._webhooks.refusal(CLOUDWATCH.name, "SubscribeURL is no address of SNS")
        await self._fetched(message["SubscribeURL"])
        self._webhooks.ignored(CLOUDWATCH.name, "a subscription was confirmed")
        return Taken(0, [], reason=f"the subscription to {message['TopicArn']} is confirmed")

    async def _fetched(self, address: str) -> bytes:
        try:
            async with self._fetching:
                return await self._webhooks.sources.fetch(address)
        except FetchError as error:
            log.warning("SNS cannot be asked", reason=str(error))
            raise unavailable("SNS could not be asked for what this message needs", 5) from None


def router(route: SnsRoute) -> APIRouter:
    """The route for FastAPI."""
    found = APIRouter(tags=["webhooks"])

    async def endpoint(request: Request) -> Response:
        return await route.receive(request)

    options: dict[str, Any] = {"methods": ["POST"], "status_code": 202, "response_class": Response}
    found.add_api_route(CLOUDWATCH.path, endpoint, **options, **documentation.of(CLOUDWATCH))
    return found
