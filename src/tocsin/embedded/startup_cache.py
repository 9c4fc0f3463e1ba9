"""The JVM's ahead-of-time cache: classes loaded and linked once, so that later brokers start in 2 s instead of 5.

Made once per user by a throwaway broker in the background. The JVM itself checks that a cache fits its version and
class path, and starts without it otherwise.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

import structlog

from tocsin.embedded import jars, java, process
from tocsin.embedded.kafka import Kafka
from tocsin.errors import StartError

log = structlog.get_logger(__name__)

LOWEST_PRIORITY: Final = 19
ASSEMBLY_SECONDS: Final = 120


async def train(scratch: Path, version: str = jars.KAFKA_VERSION) -> None:
    """Makes the cache if there is none; ``scratch``: a directory of its own, removed afterwards.

    Call from the main thread's loop; cancelling it ends the throwaway broker.
    """
    target = java.startup_cache(version)
    if target.exists():
        return
    unfinished = target.with_suffix(f".{os.getpid()}")
    broker = Kafka(scratch, version=version, train=unfinished)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(broker.prepare)
        broker.spawn()
        assert broker.process is not None  # noqa: S101 - just started
        broker.process.nice(LOWEST_PRIORITY)
        await asyncio.to_thread(broker.wait, ASSEMBLY_SECONDS)
        await asyncio.to_thread(broker.stop, ASSEMBLY_SECONDS)
        unfinished.replace(target)
        log.info("start-up cache made", path=str(target))
    except (StartError, OSError) as error:  # only speed is lost
        log.warning("no start-up cache", reason=str(error))
    finally:
        if broker.process is not None:
            process.kill_with_children(broker.process)  # the cache is assembled by a second JVM
        unfinished.unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
