"""What a runner works with, for as long as a worker runs: connections, secrets, payloads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from tocsin import channels, database, signing_secrets
from tocsin.egress import policy
from tocsin.encryption import Cipher
from tocsin.errors import StartError
from tocsin.settings import Settings
from tocsin.streams.effects.attempt import Sender
from tocsin.streams.effects.aws import Aws, AwsSettings
from tocsin.streams.effects.building import Builder
from tocsin.streams.effects.making import Tools
from tocsin.streams.effects.outbox import Outbox
from tocsin.streams.effects.payloads import Payloads
from tocsin.streams.effects.runner import Runner
from tocsin.streams.effects.signing_ring import SigningRing

log = structlog.get_logger(__name__)


async def deliver(runner: Runner, settings: Settings) -> None:
    """Until cancelled. Attempts begin once the signing secrets are known.

    Without a database none begins: a worker that has deliveries beside other domains can still decide all of them.
    """
    try:
        dsn = settings.database
    except StartError as error:
        log.warning("no deliveries are made", reason=str(error))
        return
    cipher = Cipher(settings.encryption_keys.get_secret_value())
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(await database.pool(dsn, application="deliver", size=4))
        outbox = Outbox(settings.kafka, settings.partitions)
        stack.push_async_callback(outbox.close)
        urls = channels.urls(settings)
        sender = await stack.enter_async_context(Sender(policy.parse(settings.egress_allow, urls)))
        aws = Aws(aws_settings(settings))
        stack.callback(aws.close)
        stack.push_async_callback(runner.close)
        ring = SigningRing(pool, cipher)
        listening: dict[str, Callable[[str], None]] = {signing_secrets.CHANNEL: ring.changed}
        async with asyncio.TaskGroup() as group:
            group.create_task(ring.run())
            group.create_task(database.listen(dsn, listening, ring.changed, application="deliver"))
            await ring.loaded.wait()
            runner.equip(Tools(sender, Builder(Payloads(pool), ring, cipher, urls), outbox, aws))


def aws_settings(settings: Settings) -> AwsSettings:
    return AwsSettings(settings.aws_endpoint_url_stepfunctions, settings.aws_endpoint_url_lambda, settings.poll_lambdas)
