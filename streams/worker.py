"""The stream role: a Faust worker for some domains, with its timers, guards and metrics."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import faust
import structlog
import uvloop
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from faust.sensors.prometheus import setup_prometheus_sensors

from tocsin import log as logging_setup
from tocsin import metrics as metrics_server
from tocsin.events.deliveries import DOMAIN as DELIVERIES
from tocsin.kafka_security import client_options
from tocsin.settings import Settings, settings
from tocsin.streams.domains import DOMAINS
from tocsin.streams.effects.deliverer import deliver
from tocsin.streams.effects.runner import Runner
from tocsin.streams.runtime.app import StreamApp
from tocsin.streams.runtime.guard import FreezeGuard, ProgressWatch
from tocsin.streams.runtime.options import EXIT_CRASHED, Options
from tocsin.streams.runtime.timers import TimerPublisher, unix_now

log = structlog.get_logger(__name__)
STOP_SECONDS: Final = 1.2


def options_of(settings: Settings) -> Options:
    session = int(settings.session_timeout_seconds * 1000)
    return Options(
        bootstrap_servers=settings.kafka,
        installation=settings.installation,
        partitions=settings.partitions,
        session_timeout=session,
        heartbeat_interval=max(100, session // 5),
        frozen_after=session,
        duplicate_window=settings.duplicate_window_seconds * 1000,
        look_again_after=settings.scheduler_interval_minutes * 60_000,
    )


def create_app(
    domains: Sequence[str], options: Options, clock: Callable[[], int] = unix_now, **faust_settings: Any
) -> StreamApp:
    """The Faust app that owns partitions of these domains; the group is named after the installation and domains.

    Whoever owns deliveries makes their attempts. clock: Unix ms; it says when to wake entities and to begin attempts.
    Raises KeyError for a domain that does not exist.
    """
    chosen = {name: DOMAINS[name] for name in domains}
    group = f"{options.installation}.stream.{'+'.join(sorted(chosen))}.v1"
    runner = Runner(clock, lambda partition: app.owning.may_act(partition)) if DELIVERIES in chosen else None
    observers = {DELIVERIES: runner} if runner else {}
    app = StreamApp(group, {name: entry.domain for name, entry in chosen.items()}, options, observers, **faust_settings)
    for entry in chosen.values():
        entry.register_agent(app)
    _run_beside(app, options, clock)
    if runner is not None:
        _deliver(app, runner)
    return app


def _deliver(app: StreamApp, runner: Runner) -> None:
    async def attempts() -> None:
        await deliver(runner, settings())

    app.task(attempts)


def _run_beside(app: StreamApp, options: Options, clock: Callable[[], int]) -> None:
    def owned() -> list[Any]:
        return list(app.owning.owned.values())

    async def guard() -> None:
        freeze = FreezeGuard(options, owned)
        freeze.start()
        await freeze.beat()

    async def timers() -> None:
        await TimerPublisher(options.bootstrap_servers, owned, clock, options.look_again_after).run()

    async def progress() -> None:
        await ProgressWatch(options, app.owning).run()

    for beside in (guard, timers, progress):
        app.task(beside)


async def _wait_for_kafka(bootstrap_servers: str) -> None:
    """A worker without a broker has nothing to do: it waits here instead of crashing in a loop."""
    told = False
    while True:
        client = AIOKafkaAdminClient(**client_options(), bootstrap_servers=bootstrap_servers, request_timeout_ms=3000)
        try:
            await client.start()
            return
        except (KafkaError, OSError) as error:
            if not told:
                log.warning("waiting for Kafka", servers=bootstrap_servers, error=repr(error))
                told = True
            await asyncio.sleep(0.25)
        finally:
            await client.close()


class StreamWorker(faust.Worker):
    """Faust's worker without its own logging, and without its farewell."""

    def _setup_logging(self) -> None:
        """Logging is set up already, the same for every role."""

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        # Faust may wait for a group it is just joining; ending without leaving only costs its session timeout
        deadline = threading.Timer(STOP_SECONDS, os._exit, (0,))
        deadline.daemon = True
        deadline.start()
        super()._schedule_shutdown(signal)

    def _shutdown_loop(self) -> None:
        # Everything that matters is committed and the group is left; mode would wait 2 s for futures nobody needs.
        if self.crash_reason:
            log.error("the worker crashed", error=repr(self.crash_reason))
        logging.shutdown()
        os._exit(EXIT_CRASHED if self.crash_reason else 0)


def _tune() -> None:
    """Settings of the interpreter that a worker needs: two busy threads, many small objects, one loop."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    sys.setswitchinterval(0.0005)  # the fetching thread would hold back every step of a transaction for 5 ms
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def run(domains: Sequence[str] = (), role: str = "stream") -> None:
    """Runs a worker for the named domains (default: all) until SIGTERM or SIGINT. Exit codes: runtime/options.py."""
    current = settings()
    logging_setup.configure(role)
    options = options_of(current)
    _tune()
    asyncio.run(_wait_for_kafka(options.bootstrap_servers))
    # Faust wants a directory even for tables in memory
    scratch = Path(tempfile.gettempdir()) / f"tocsin-faust-{os.getuid()}"
    app = create_app(tuple(domains) or tuple(DOMAINS), options, datadir=scratch)
    setup_prometheus_sensors(app, name_prefix="faust")  # Faust's own view: rebalances, commits, queues
    metrics_server.serve(current.metrics_port)
    StreamWorker(app, redirect_stdouts=False, quiet=True).execute_from_commandline()
