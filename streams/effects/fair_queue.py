"""Who is next: workspaces in turn, the endpoints of a workspace in turn, the deliveries of an endpoint in order.

A workspace or an endpoint at its limit is out of the turns until something of it ends, so finding the next one costs
the same however many wait, and whoever is slow keeps only its own deliveries waiting.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

RUNNING: Final = 256
RUNNING_PER_WORKSPACE: Final = 64
RUNNING_PER_ENDPOINT: Final = 4


class Place(NamedTuple):
    """``endpoint``: scheme, host and port. The same endpoint of another workspace is another place."""

    workspace: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How many run at once."""

    running: int = RUNNING
    per_workspace: int = RUNNING_PER_WORKSPACE
    per_endpoint: int = RUNNING_PER_ENDPOINT

    def __post_init__(self) -> None:
        if min(self.running, self.per_workspace, self.per_endpoint) < 1:
            raise ValueError("limits are at least 1")


@dataclass(slots=True)
class _Endpoint:
    waiting: dict[str, None] = field(default_factory=dict)  # in order
    running: int = 0


@dataclass(slots=True)
class _Workspace:
    """``turns``: endpoints where something waits and may run."""

    endpoints: dict[str, _Endpoint] = field(default_factory=dict)
    turns: OrderedDict[str, None] = field(default_factory=OrderedDict)
    running: int = 0


class FairQueue:
    """Of ids. ``take`` hands out; ``release`` is owed once for everything taken."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._workspaces: dict[str, _Workspace] = {}
        self._turns: OrderedDict[str, None] = OrderedDict()
        self.waiting = 0
        self.running = 0

    def put(self, place: Place, item: str) -> None:
        """At the end. An id that waits there already keeps its turn."""
        workspace = self._workspaces.setdefault(place.workspace, _Workspace())
        endpoint = workspace.endpoints.setdefault(place.endpoint, _Endpoint())
        if item not in endpoint.waiting:
            endpoint.waiting[item] = None
            self.waiting += 1
            self._settle(place)

    def remove(self, place: Place, item: str) -> bool:
        """False when it does not wait (any more)."""
        workspace = self._workspaces.get(place.workspace)
        endpoint = workspace.endpoints.get(place.endpoint) if workspace else None
        if endpoint is None or item not in endpoint.waiting:
            return False
        del endpoint.waiting[item]
        self.waiting -= 1
        self._settle(place)
        return True

    def take(self) -> tuple[Place, str] | None:
        """The next one, which runs from now on; None when nothing may."""
        if self.running >= self._limits.running or not self._turns:
            return None
        name = next(iter(self._turns))
        workspace = self._workspaces[name]
        place = Place(name, next(iter(workspace.turns)))
        endpoint = workspace.endpoints[place.endpoint]
        item = next(iter(endpoint.waiting))
        del endpoint.waiting[item]
        self.waiting -= 1
        self._count(place, 1)
        # its turn is over, whether or not another one follows
        self._turns.move_to_end(name)
        workspace.turns.move_to_end(place.endpoint)
        self._settle(place)
        return place, item

    def release(self, place: Place) -> None:
        """One that was taken has ended."""
        self._count(place, -1)
        self._settle(place)

    def _count(self, place: Place, by: int) -> None:
        workspace = self._workspaces[place.workspace]
        workspace.endpoints[place.endpoint].running += by
        workspace.running += by
        self.running += by

    def _settle(self, place: Place) -> None:
        """Gives or takes turns after a change there; forgets what is empty."""
        workspace = self._workspaces[place.workspace]
        endpoint = workspace.endpoints[place.endpoint]
        may_run = bool(endpoint.waiting) and endpoint.running < self._limits.per_endpoint
        _turn(workspace.turns, place.endpoint, may_run)
        if not endpoint.waiting and not endpoint.running:
            del workspace.endpoints[place.endpoint]
        _turn(self._turns, place.workspace, bool(workspace.turns) and workspace.running < self._limits.per_workspace)
        if not workspace.endpoints:
            del self._workspaces[place.workspace]


def _turn(turns: OrderedDict[str, None], name: str, wanted: bool) -> None:
    """Membership; who is in keeps the place."""
    if wanted:
        turns.setdefault(name)
    else:
        turns.pop(name, None)
