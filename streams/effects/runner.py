"""Makes the attempts of the deliveries this worker owns, each at its time, and tells what became of them.

It follows the states of the owned partitions and decides nothing. An attempt that was cut is made again by the next
owner under the same number; what it told twice counts once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from tocsin.events.deliveries import AttemptFinished
from tocsin.events.identity import entity_of_numbered
from tocsin.streams.domain.delivery_outcome import outcome
from tocsin.streams.domain.delivery_state import DeliveryState
from tocsin.streams.effects import metrics
from tocsin.streams.effects.attempt import NotNow
from tocsin.streams.effects.breaker import Breakers
from tocsin.streams.effects.fair_queue import Limits, Place
from tocsin.streams.effects.making import Owner, Tools, make
from tocsin.streams.effects.pacing import Pace, pace
from tocsin.streams.effects.payloads import NotYet
from tocsin.streams.effects.pool import Delivery, DeliveryPool, SetAlarm
from tocsin.streams.runtime.ownership import OwnedPartition

AT_ONCE: Final = 500  # states taken up before others get their turn
NOT_OF_THE_ENDPOINT: Final = ("request", "refused_by_egress_policy", "aws_refused")
NOT_NOW_MS: Final = 100
FIRST_NOT_YET_MS: Final = 50
NOT_YET_MS: Final = 2_000
_DOUBLINGS: Final = 6
UNFORESEEN_MS: Final = 5_000
TOO_MANY: Final = 429
LONGEST_HOLD_MS: Final = 600_000
"""However long a receiver asks to be spared: as the longest pause between two attempts."""

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Open:
    """An owned partition. ``submitted``: by key, the number of the attempt and its id in the pool.

    waited: how often each had to wait for what it is to send.
    """

    partition: OwnedPartition
    submitted: dict[bytes, tuple[int, str]] = field(default_factory=dict)
    waited: dict[bytes, int] = field(default_factory=dict)
    loading: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class _Turn:
    """What the pool has let begin."""

    place: Place
    pool_id: str


class Runner:
    """An observer of the deliveries domain. ``clock``: Unix ms. ``may_act``: whether a partition may dial now."""

    def __init__(
        self,
        clock: Callable[[], int],
        may_act: Callable[[OwnedPartition], bool],
        limits: Limits | None = None,
        set_alarm: SetAlarm | None = None,
    ) -> None:
        self._clock, self._may_act = clock, may_act
        self._pool = DeliveryPool(clock, limits, set_alarm)
        self._breakers = Breakers()
        self._open: dict[OwnedPartition, _Open] = {}
        self._tools: asyncio.Future[Tools] | None = None
        self._numbers = 0
        metrics.WAITING.set_function(lambda: self._pool.waiting)
        metrics.RUNNING.set_function(lambda: self._pool.running)
        metrics.PACED.set_function(lambda: self._pool.paced)

    def equip(self, tools: Tools) -> None:
        """Attempts that are due wait until then."""
        self._equipment().set_result(tools)

    async def close(self) -> None:
        await self._pool.close()

    # --- what is owned ----------------------------------------------------------------------------------------------

    def opened(self, partition: OwnedPartition) -> None:
        opened = self._open[partition] = _Open(partition)
        opened.loading = asyncio.create_task(self._take_up(opened, list(partition.state.entities)))

    async def _take_up(self, opened: _Open, keys: list[bytes]) -> None:
        """As the states are by then: what changed meanwhile was submitted as it changed."""
        for start in range(0, len(keys), AT_ONCE):
            for key in keys[start : start + AT_ONCE]:
                state = opened.partition.state.get(key)
                if state is not None and key not in opened.submitted:
                    self._submit(opened, key, state, state.not_before)
            await asyncio.sleep(0)

    def writing(self, partition: OwnedPartition, changed: Mapping[bytes, Any | None]) -> None:
        if opened := self._open.get(partition):
            for key, state in changed.items():
                if state is None:
                    self._drop(opened, key)

    def committed(self, partition: OwnedPartition, changed: Mapping[bytes, Any | None]) -> None:
        if (opened := self._open.get(partition)) is None:
            return
        for key, state in changed.items():
            submitted = opened.submitted.get(key)
            if state is None or (submitted is not None and submitted[0] == state.attempt):
                continue
            self._drop(opened, key)
            self._submit(opened, key, state, state.not_before)

    def closed(self, partition: OwnedPartition) -> None:
        if (opened := self._open.pop(partition, None)) is None:
            return
        if opened.loading is not None:
            opened.loading.cancel()
        for key in list(opened.submitted):
            self._drop(opened, key)

    def _drop(self, opened: _Open, key: bytes) -> None:
        opened.waited.pop(key, None)
        if submitted := opened.submitted.pop(key, None):
            self._pool.discard(submitted[1])

    def _submit(self, opened: _Open, key: bytes, state: DeliveryState, not_before: int) -> None:
        self._numbers += 1
        pool_id = f"{state.delivery_id}:{state.attempt}:{self._numbers}"  # never the same again
        opened.submitted[key] = state.attempt, pool_id
        place = Place(key.decode().partition("/")[0], entity_of_numbered(state.delivery_id))

        async def run() -> None:
            await self._run(opened, key, pool_id, place)

        self._pool.submit(Delivery(pool_id, place, not_before, run, _pace(state, place)))

    # --- one attempt ------------------------------------------------------------------------------------------------

    async def _run(self, opened: _Open, key: bytes, pool_id: str, place: Place) -> None:
        state: DeliveryState | None = opened.partition.state.get(key)
        if state is None or opened.submitted.get(key) != (state.attempt, pool_id):
            return
        put_off: tuple[int, str] | None = None
        try:
            put_off = await self._admitted(opened, key, state, _Turn(place, pool_id))
        except Exception:
            # a bug: the attempt is made again rather than lost
            log.exception("an attempt ended in an unforeseen way", delivery=state.delivery_id, attempt=state.attempt)
            put_off = self._clock() + UNFORESEEN_MS, "unforeseen"
        if put_off is not None and opened.submitted.get(key) == (state.attempt, pool_id):
            metrics.PUT_OFF.labels(put_off[1]).inc()
            self._submit(opened, key, state, put_off[0])

    async def _admitted(self, opened: _Open, key: bytes, state: DeliveryState, turn: _Turn) -> tuple[int, str] | None:
        """When to come again and why; None when the attempt was made and told."""
        tools = await asyncio.shield(self._equipment())
        owner = Owner(
            key,
            opened.partition.number,
            self._clock,
            lambda: self._may_act(opened.partition),
            lambda: self._pool.dialled(turn.pool_id),
        )
        await owner.acting()
        if (later := self._breakers.admit(turn.place, self._clock())) is not None:
            return later, "breaker_open"
        event: AttemptFinished | None = None
        try:
            event = await make(tools, state, owner)
        except NotYet as reason:
            return self._clock() + _wait_more(opened, key, state, reason), str(reason)
        except NotNow:
            return self._clock() + NOT_NOW_MS, "not_owner"
        finally:
            if event is None:
                self._breakers.abandon(turn.place)
        self._judge(turn.place, state, event)
        await tools.outbox.finished(key, opened.partition.number, event)
        return None

    def _judge(self, place: Place, state: DeliveryState, event: AttemptFinished) -> None:
        """Only what the endpoint has to answer for counts for its breaker. A 429 holds back its whole line."""
        if event.error in NOT_OF_THE_ENDPOINT:
            self._breakers.abandon(place)
            return
        error: Any = event.error or None
        found = outcome(event.status, error, state.request.expected_status or None)
        where = state.request.channel or state.request.url
        self._breakers.record(place, self._clock(), failed=found.verdict == "retry", url=where)
        line = _pace(state, place)
        if line is not None and event.status == TOO_MANY and event.retry_after is not None:
            metrics.HELD.inc()
            self._pool.hold(line, self._clock() + min(event.retry_after * 1000, LONGEST_HOLD_MS))

    def _equipment(self) -> asyncio.Future[Tools]:
        if self._tools is None:
            self._tools = asyncio.get_running_loop().create_future()
        return self._tools


def _wait_more(opened: _Open, key: bytes, state: DeliveryState, reason: NotYet) -> int:
    """Milliseconds: a body is usually projected a moment after it was accepted, so it is looked for soon at first."""
    before = opened.waited.get(key, 0)
    opened.waited[key] = before + 1
    wait = FIRST_NOT_YET_MS << before if before < _DOUBLINGS else NOT_YET_MS
    if before == _DOUBLINGS:
        log.warning("an attempt waits for what it is to send", delivery=state.delivery_id, reason=str(reason))
    return min(wait, NOT_YET_MS)


def _pace(state: DeliveryState, place: Place) -> Pace | None:
    return pace(place.workspace, state.request.rate_key, state.request.rate_per_second)
