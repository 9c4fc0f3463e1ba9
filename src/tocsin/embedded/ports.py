"""TCP ports of the embedded run."""

from __future__ import annotations

import random
import socket
from typing import Final

# Below the ranges Linux and macOS take for outgoing connections, which could hold a kept port at the next start.
_RANGE: Final = range(20_000, 30_000)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection in TIME_WAIT does not hold it
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose(count: int) -> list[int]:
    """Distinct free ports."""
    found: list[int] = []
    while len(found) < count:
        candidate = random.choice(_RANGE)  # noqa: S311
        if candidate not in found and is_free(candidate):
            found.append(candidate)
    return found
