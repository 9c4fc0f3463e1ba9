"""How every client of Kafka proves who it is and keeps what it says private: one place for all of them.

Nothing is set for a broker on the same machine or network. Amazon MSK with SCRAM, say, needs ``SASL_SSL``,
``SCRAM-SHA-512``, a name and a password.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from tocsin.errors import StartError
from tocsin.settings import Settings, settings

log = structlog.get_logger(__name__)
_GOODBYE_SECONDS: Final = 1.0
_stopping: Final[set[asyncio.Future[None]]] = set()


class Client(Protocol):
    """A consumer or producer of aiokafka."""

    async def stop(self) -> None: ...


def client_options(current: Settings | None = None) -> dict[str, Any]:
    """Keyword arguments of any aiokafka client, beside its servers. Raises StartError for a CA file that is none."""
    given = current or settings()
    protocol = given.kafka_security_protocol
    options: dict[str, Any] = {}
    if protocol != "PLAINTEXT":
        options["security_protocol"] = protocol
    if protocol.endswith("SSL"):
        options["ssl_context"] = _context(given.kafka_ca_file)
    if protocol.startswith("SASL"):
        options["sasl_mechanism"] = given.kafka_sasl_mechanism
        options["sasl_plain_username"] = given.kafka_sasl_username
        options["sasl_plain_password"] = given.kafka_sasl_password.get_secret_value()
    return options


async def stop_client(client: Client) -> None:
    """Stops a consumer, or a producer at the end of a process. Not one that is replaced: without a broker a producer
    never stops, and one would come to another for as long as the broker is away.

    Its connections over TLS are closed once the broker has said goodbye too. asyncio waits 30 s for that, and a busy
    broker was seen to need all of it: longer than a partition may take to open. So it is waited for a moment only, and
    goes on stopping after that: what it holds is given back in its own time.
    """
    stopping = asyncio.ensure_future(client.stop())
    _stopping.add(stopping)
    stopping.add_done_callback(_stopped)
    done, _ = await asyncio.wait({stopping}, timeout=_GOODBYE_SECONDS)
    if done and not stopping.cancelled():
        stopping.result()


def _stopped(stopping: asyncio.Future[None]) -> None:
    _stopping.discard(stopping)
    if not stopping.cancelled() and (error := stopping.exception()) is not None:
        log.warning("a client of Kafka did not stop cleanly", error=repr(error)[:200])


@functools.cache
def _context(ca_file: Path | None) -> ssl.SSLContext:
    """Certificates and names are verified; by the system's authorities unless a file is named."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"KAFKA_CA_FILE={ca_file} has no certificates that can be read: {error}.") from error
