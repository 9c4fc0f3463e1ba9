"""Writes one prepared slice: everything becomes visible together or not at all. Between begin and commit only sends."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer

from tocsin.kafka_security import client_options
from tocsin.streams.runtime.encoding import Prepared
from tocsin.streams.runtime.outgoing import OutgoingRecord

log = structlog.get_logger(__name__)
_OPENING: Final = b"opening"


class CommitTookTooLong(RuntimeError):
    """The commit outlived the request timeout: its outcome counts, but this producer must not be used again.

    A late copy of its EndTxn could end the next transaction (aiokafka speaks version 0 of that request, which does
    not name the transaction).
    """


class TransactionWriter:
    """One transactional producer for one partition. Whoever opened it last has fenced all others."""

    def __init__(self, bootstrap_servers: str, transactional_id: str, *, timeout_ms: int, batch_bytes: int) -> None:
        self.transactional_id = transactional_id
        self.open_since: float | None = None  # time.monotonic() at begin; watched from another thread
        self._request_timeout = 5.0
        self._producer = AIOKafkaProducer(
            **client_options(),
            bootstrap_servers=bootstrap_servers,
            transactional_id=transactional_id,
            transaction_timeout_ms=timeout_ms,
            request_timeout_ms=int(self._request_timeout * 1000),
            acks="all",
            max_batch_size=batch_bytes,
            max_request_size=2 * batch_bytes,
        )

    async def open(self, topics: Iterable[str], partition: int) -> None:
        """Takes the transactional id: a previous holder can commit nothing from here on.

        Then ends what it may have left open in these topics. Kafka drops the markers of a transaction whose partitions
        have no leader at that instant (a broker that was killed and comes back) and says that it is complete. Its
        records would be invisible while the state is loaded, and appear with the first commit after that, beside the
        same decisions made anew. An abort of the same producer ends them.
        """
        await self._producer.start()
        await self._producer.begin_transaction()
        for topic in topics:
            await self._producer.send(topic, _OPENING, key=_OPENING, partition=partition)
        await self._producer.flush()
        await self._producer.abort_transaction()

    async def write(self, prepared: Prepared) -> None:
        """One transaction. On any exception the writer is spent: close it and open a new one.

        Raises aiokafka.errors.KafkaError (ProducerFenced among them), CommitTookTooLong, CancelledError.
        """
        producer = self._producer
        batches = [
            (batch, topic, partition)
            for (topic, partition), records in prepared.records.items()
            for batch in _batches(producer, records)
        ]
        self.open_since = time.monotonic()
        try:
            await producer.begin_transaction()
            delivered = [await producer.send_batch(batch, topic, partition=number) for batch, topic, number in batches]
            committing = time.monotonic()
            await producer.commit_transaction()
            for future in delivered:
                future.result()  # done: the commit waited for them; a failed one raises here
            if time.monotonic() - committing > self._request_timeout:
                raise CommitTookTooLong(self.transactional_id)
        finally:
            self.open_since = None

    async def close(self) -> None:
        """Gives up the producer. An open transaction is left to the successor's fencing."""
        await self._producer.stop()


def _batches(producer: AIOKafkaProducer, records: Iterable[OutgoingRecord]) -> Iterator[Any]:
    """Ready-made record batches: a future a record would cost more than deciding it."""
    batch = producer.create_batch()
    for record in records:
        if batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers)
    yield batch
