"""The bare gateway: ``python -m bench.bare.gateway BOOTSTRAP TOPIC PARTITIONS PORT``.

A minimal ASGI app under uvicorn that parses, produces with acks=all and answers. One report: ``send_and_wait``; many:
one ready-made record batch a partition.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import uvicorn
from aiokafka import AIOKafkaProducer

Send = Callable[[dict[str, Any]], Awaitable[None]]
_BATCH_BYTES = 512 * 1024


class Gateway:
    """``linger_ms``: measured at 0, 1 and 2 ms, 2 is the fastest."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._bootstrap, self.topic, self.partitions = bootstrap, topic, partitions
        self.producer: Any = None

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message.get("more_body"):
                break
        answer = await self.take(orjson.loads(body))
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 202, "headers": head})
        await send({"type": "http.response.body", "body": answer})

    async def take(self, found: Any) -> bytes:
        """The answer to a body."""
        return await (self._one(found) if isinstance(found, dict) else self._many(found))

    async def _live(self, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        await receive()
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            linger_ms=2,
            max_batch_size=_BATCH_BYTES,
            max_request_size=4 * _BATCH_BYTES,
        )
        await self.producer.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.producer.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _placed(self, event: dict[str, Any]) -> tuple[bytes, int]:
        key = f"{event['workflow']}/{event['identifier']}".encode()
        return key, zlib.crc32(key) % self.partitions

    async def _one(self, event: dict[str, Any]) -> bytes:
        key, partition = self._placed(event)
        await self.producer.send_and_wait(self.topic, orjson.dumps(event), key=key, partition=partition)
        return b'{"accepted":1}'

    async def _many(self, events: list[dict[str, Any]]) -> bytes:
        batches: dict[int, Any] = {}
        for event in events:
            key, partition = self._placed(event)
            if (batch := batches.get(partition)) is None:
                batch = batches[partition] = self.producer.create_batch()
            batch.append(timestamp=None, key=key, value=orjson.dumps(event))
        await asyncio.gather(*[self._deliver(batch, partition) for partition, batch in batches.items()])
        return b'{"accepted":%d}' % len(events)

    async def _deliver(self, batch: Any, partition: int) -> None:
        await (await self.producer.send_batch(batch, self.topic, partition=partition))


if __name__ == "__main__":
    uvicorn.run(
        Gateway(sys.argv[1], sys.argv[2], int(sys.argv[3])),
        port=int(sys.argv[4]),
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_level="warning",
    )
