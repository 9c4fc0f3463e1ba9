"""Who follows the states of a domain's owned partitions: whoever acts on them outside the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tocsin.streams.runtime.ownership import OwnedPartition


class Observer(Protocol):
    """Called on the event loop; none of it waits or raises. ``changed``: states by key, None for one that is gone."""

    def opened(self, partition: OwnedPartition) -> None:
        """Its states are loaded; they are in ``partition.state``."""

    def writing(self, partition: OwnedPartition, changed: Mapping[bytes, Any | None]) -> None:
        """About to be committed: what acts for a state that ends must not begin anything more.

        If the write fails, the partition is closed.
        """

    def committed(self, partition: OwnedPartition, changed: Mapping[bytes, Any | None]) -> None:
        """These are the states now."""

    def closed(self, partition: OwnedPartition) -> None:
        """No longer owned, or about to be given up; may come more than once, and for one that was never opened."""


class NoObserver:
    """Of a domain nobody follows."""

    def opened(self, partition: OwnedPartition) -> None: ...
    def writing(self, partition: OwnedPartition, changed: Mapping[bytes, Any | None]) -> None: ...
    def committed(self, partition: OwnedPartition, changed: Mapping[bytes, Any | None]) -> None: ...
    def closed(self, partition: OwnedPartition) -> None: ...
