"""The Faust application of a stream worker, and the one thing its agents do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import faust
import structlog
from faust.types import TP
from mode.supervisors import OneForOneSupervisor

from tocsin.events.topics import events_topic
from tocsin.kafka_security import client_options
from tocsin.streams.domain.decision import Domain
from tocsin.streams.runtime.observer import Observer
from tocsin.streams.runtime.options import EXIT_LOST_OWNERSHIP, Options
from tocsin.streams.runtime.transport import OwningConsumer, OwningTransport

log = structlog.get_logger(__name__)


class PatientSupervisor(OneForOneSupervisor):
    """Faust counts the cancellations of every rebalance as crashes and stops the worker after some; not so here."""

    def __init__(self, *services: Any, **kwargs: Any) -> None:
        kwargs["max_restarts"] = 1_000_000.0
        super().__init__(*services, **kwargs)


class StreamApp(faust.App):
    """A Faust app that owns partitions of one or more domains. ``observers``: by domain, who follows its states."""

    def __init__(
        self,
        name: str,
        domains: Mapping[str, Domain[Any, Any]],
        options: Options,
        observers: Mapping[str, Observer] | None = None,
        **settings: Any,
    ) -> None:
        self.domains, self.options, self.observers = domains, options, observers or {}
        super().__init__(
            name,
            broker=";".join(f"kafka://{server}" for server in options.bootstrap_servers.split(",")),
            store="memory://",
            topic_partitions=options.partitions,
            topic_disable_leader=True,
            topic_allow_declare=False,
            consumer_auto_offset_reset="earliest",
            # a backlog is read in pieces of about one transaction; what waits is bounded by the tokens that may queue
            consumer_max_fetch_size=1024 * 1024,
            broker_session_timeout=options.session_timeout / 1000,
            broker_heartbeat_interval=options.heartbeat_interval / 1000,
            broker_rebalance_timeout=5.0,
            broker_request_timeout=options.open_timeout / 1000 + 10,  # past it Faust gives up opening, silently
            stream_wait_empty=False,
            stream_buffer_maxsize=16,
            agent_supervisor=PatientSupervisor,
            web_enabled=False,
            broker_credentials=_credentials(),
            **settings,
        )

    async def on_stop(self) -> None:
        """Lets nothing out any more, leaves the group, then gives up the producers."""
        self.owning.stand_down()
        await super().on_stop()
        await asyncio.gather(*(self.owning.release(tp) for tp in list(self.owning.owned)))

    def _new_transport(self) -> OwningTransport:
        return OwningTransport(self.conf.broker_consumer, self)

    @property
    def owning(self) -> OwningConsumer:
        return cast(OwningConsumer, self.consumer)

    def events_of(self, domain: str) -> Any:
        """The events topic of a domain, as an agent's channel."""
        return self.topic(
            events_topic(domain), partitions=self.options.partitions, key_serializer="raw", value_serializer="raw"
        )


def _credentials() -> Any:
    """Faust's words for what every other client is given as options."""
    options = client_options()
    context = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


async def apply_events(app: StreamApp, stream: Any) -> AsyncIterator[None]:
    """The body of every agent: each token means records wait in the inbox of its partition.

    A cancelled, fenced or unclear write ends the ownership of the partition. Unless Faust is rebalancing (and opens
    it again by itself) the whole process ends: a fresh one joins the group again, which is the only proof of
    ownership, and its supervisor starts it at once.
    """
    async for event in stream.events():
        tp = TP(event.message.topic, event.message.partition)
        partition = app.owning.owned.get(tp)
        if partition is None:
            continue  # released; the next assignment reads again from where the state stands
        try:
            await partition.apply_waiting()
        except BaseException as error:
            log.warning("lost a partition", partition=f"{tp.topic}/{tp.partition}", error=repr(error)[:200])
            await asyncio.shield(app.owning.release(tp))
            if isinstance(error, Exception) or not (app.rebalancing or app.should_stop):
                os._exit(EXIT_LOST_OWNERSHIP)
            raise
        yield
