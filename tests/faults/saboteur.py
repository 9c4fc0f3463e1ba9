"""A stream worker with a fault built in, to cause what cannot be hit from outside. Run as a module:

``freeze FILE``   stops itself (SIGSTOP) between the sends and the commit of a transaction once FILE exists
``cancel``        cancels its agents at random instants
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from tocsin.streams import worker
from tocsin.streams.runtime.app import StreamApp


def freeze_when(file: Path) -> None:
    original = AIOKafkaProducer.commit_transaction

    async def commit_transaction(self: AIOKafkaProducer) -> None:
        if file.exists():
            file.unlink()
            await self.flush()  # the records are in the log, the transaction is open
            os.kill(os.getpid(), signal.SIGSTOP)
        await original(self)

    AIOKafkaProducer.commit_transaction = commit_transaction


def cancel_at_random() -> None:
    create_app = worker.create_app

    def with_canceller(*args: Any, **kwargs: Any) -> StreamApp:
        app = create_app(*args, **kwargs)

        async def canceller() -> None:
            while True:
                await asyncio.sleep(random.uniform(1.0, 2.5))
                actors = [actor for agent in app.agents.values() for actor in agent._actors]
                if actors and actors[0].actor_task:
                    random.choice(actors).actor_task.cancel()

        app.task(canceller)
        return app

    worker.create_app = with_canceller


if __name__ == "__main__":
    if sys.argv[1] == "freeze":
        freeze_when(Path(sys.argv[2]))
    else:
        cancel_at_random()
    worker.run()
