"""The pool with a clock and an alarm moved by hand: no test sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tocsin.streams.effects.fair_queue import Limits, Place
from tocsin.streams.effects.pacing import Pace
from tocsin.streams.effects.pool import LONGEST_SLEEP_SECONDS, Delivery, DeliveryPool

SLOW, FAST = Place("w", "https://slow"), Place("w", "https://fast")


class Hand:
    """Clock and alarm: ``move`` rings what is due, in order."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.alarms: list[Ring] = []

    def clock(self) -> int:
        return self.now

    def set_alarm(self, seconds: float, callback: Callable[[], None]) -> Ring:
        self.alarms.append(Ring(self.now + round(seconds * 1000), callback))
        return self.alarms[-1]

    def move(self, milliseconds: int) -> None:
        target = self.now + milliseconds
        while due := [alarm for alarm in self.alarms if alarm.at <= target and not alarm.cancelled]:
            first = min(due, key=lambda alarm: alarm.at)
            self.alarms.remove(first)
            self.now = max(self.now, first.at)
            first.callback()
        self.now = target


class Ring:
    def __init__(self, at: int, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Story:
    """Deliveries that begin, wait for their gate, and end; ``began`` has their ids and times."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.hand = Hand()
        self.pool = DeliveryPool(self.hand.clock, limits, self.hand.set_alarm)
        self.gates: dict[str, asyncio.Event] = {}
        self.began: list[tuple[str, int]] = []
        self.ended: list[str] = []

    def submit(
        self,
        delivery_id: str,
        place: Place = FAST,
        in_ms: int = 0,
        *,
        gated: bool = False,
        pace: Pace | None = None,
        dials: bool = True,
    ) -> bool:
        gate = self.gates.setdefault(delivery_id, asyncio.Event())
        if not gated:
            gate.set()

        async def run() -> None:
            self.began.append((delivery_id, self.hand.now))
            if dials:
                self.pool.dialled(delivery_id)
            await gate.wait()
            self.ended.append(delivery_id)

        return self.pool.submit(Delivery(delivery_id, place, self.hand.now + in_ms, run, pace))

    @property
    def ids(self) -> list[str]:
        return [delivery_id for delivery_id, _ in self.began]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_J9_a_delivery_starts_at_its_time_not_before() -> None:
    story = Story()
    story.submit("b", in_ms=2_500)
    story.submit("a", in_ms=500)
    story.submit("now")
    await turns()
    assert story.began == [("now", 1_000_000)]
    story.hand.move(499)
    await turns()
    assert story.ids == ["now"]
    story.hand.move(1)
    await turns()
    assert story.began[1:] == [("a", 1_000_500)]
    story.hand.move(1_999)
    await turns()
    assert story.ids == ["now", "a"]
    story.hand.move(1)
    await turns()
    assert story.began[2:] == [("b", 1_002_500)]
    assert (story.pool.waiting, story.pool.running) == (0, 0)


async def test_J9_an_alarm_that_rings_early_starts_nothing_and_a_clock_step_is_noticed() -> None:
    story = Story()
    story.submit("a", in_ms=3_600_000)
    assert story.hand.alarms[0].at - story.hand.now == LONGEST_SLEEP_SECONDS * 1000
    story.hand.alarms.pop().callback()
    await turns()
    assert story.began == []
    story.hand.now += 3_600_000
    story.hand.alarms[0].callback()
    await turns()
    assert story.ids == ["a"]


async def test_J9_a_slow_endpoint_keeps_only_its_own_waiting() -> None:
    story = Story(Limits(running=8, per_workspace=8, per_endpoint=4))
    for number in range(20):
        story.submit(f"slow{number}", SLOW, gated=True)
    for number in range(20):
        story.submit(f"fast{number}", FAST)
    await turns(60)
    assert story.ids.count("slow4") == 0
    assert [one for one in story.ended if one.startswith("fast")] == [f"fast{number}" for number in range(20)]
    assert (story.pool.running, story.pool.waiting) == (4, 16)
    story.gates["slow2"].set()
    await turns()
    assert story.ids[-1] == "slow4"
    await story.pool.close()


async def test_J9_the_workspaces_limit_leaves_room_for_others() -> None:
    story = Story(Limits(running=6, per_workspace=4, per_endpoint=4))
    for number in range(8):
        story.submit(f"a{number}", Place("a", f"https://{number}"), gated=True)
    story.submit("b0", Place("b", "https://0"), gated=True)
    await turns()
    assert story.ids == ["a0", "a1", "a2", "a3", "b0"]
    story.gates["a1"].set()
    await turns()
    assert story.ids[-1] == "a4"
    await story.pool.close()


async def test_J10_a_cancelled_delivery_never_starts() -> None:
    story = Story(Limits(1, 1, 1))
    story.submit("later", in_ms=1_000)
    story.submit("running", gated=True)
    story.submit("behind")
    await turns()
    assert [await story.pool.cancel(one) for one in ("later", "behind", "other")] == ["waiting", "waiting", "unknown"]
    assert await story.pool.cancel("running") == "running"
    story.hand.move(5_000)
    await turns()
    assert (story.ids, story.ended, story.pool.waiting) == (["running"], [], 0)


async def test_J10_what_was_cancelled_can_be_submitted_again_for_another_time() -> None:
    story = Story()
    story.submit("a", in_ms=1_000)
    assert not story.submit("a", in_ms=500)
    await story.pool.cancel("a")
    assert story.submit("a", in_ms=2_000)
    story.hand.move(1_000)
    await turns()
    assert story.began == []
    story.hand.move(1_000)
    await turns()
    assert story.began == [("a", 1_002_000)]


async def test_J10_a_task_cancelled_before_its_first_step_is_forgotten_too() -> None:
    story = Story(Limits(1, 1, 1))
    story.submit("a")
    assert await story.pool.cancel("a") == "running"
    story.submit("b")
    await asyncio.wait_for(story.pool.idle(), 1)
    assert story.ids == ["b"]


async def test_J9_a_run_that_raises_frees_its_place() -> None:
    story = Story(Limits(1, 1, 1))

    async def fails() -> None:
        raise RuntimeError("planted")

    story.pool.submit(Delivery("bad", FAST, 0, fails))
    story.submit("good")
    await asyncio.wait_for(story.pool.idle(), 1)
    assert story.ids == ["good"]


@pytest.mark.parametrize("finishes", [True, False])
async def test_J10_draining_lets_those_that_run_finish_and_names_the_rest(finishes: bool) -> None:
    story = Story(Limits(1, 1, 1))
    story.submit("runs", gated=True)
    story.submit("waits")
    story.submit("later", in_ms=1_000)
    await turns()
    draining = asyncio.create_task(story.pool.drain(5 if finishes else 0.01))
    await turns()
    assert not story.submit("new")
    if finishes:
        story.gates["runs"].set()
    left = await draining
    assert set(left) == {"later", "waits"} | (set() if finishes else {"runs"})
    assert story.ended == (["runs"] if finishes else [])
    assert (story.ids, story.pool.running, story.pool.waiting) == (["runs"], 0, 0)
    assert all(alarm.cancelled for alarm in story.hand.alarms)


async def test_J9_deliveries_that_are_all_due_at_once_all_run() -> None:
    story = Story(Limits(running=50, per_workspace=50, per_endpoint=4))
    for number in range(1_000):
        story.submit(str(number), Place(f"w{number % 7}", f"https://{number % 50}"), in_ms=100)
    story.hand.move(100)
    await asyncio.wait_for(story.pool.idle(), 5)
    assert sorted(story.ended, key=int) == [str(number) for number in range(1_000)]


async def test_J9_by_the_loops_own_alarm() -> None:
    loop = asyncio.get_running_loop()
    pool = DeliveryPool(lambda: round(loop.time() * 1000))
    due = round(loop.time() * 1000) + 50
    late: list[float] = []

    async def run() -> None:
        late.append(loop.time() * 1000 - due)

    pool.submit(Delivery("a", FAST, due, run))
    await asyncio.wait_for(pool.idle(), 2)
    assert -1 <= late[0] < 50


# --- rates ----------------------------------------------------------------------------------------------------------

SLACK = Pace("w", "slack:default", 1_000)


async def test_S4_one_a_second_to_a_channel_in_order_while_others_overtake() -> None:
    story = Story()
    for number in range(4):
        story.submit(f"slack{number}", SLOW, pace=SLACK)
    for number in range(4):
        story.submit(f"other{number}", FAST)
    await turns()
    assert story.ids == ["slack0", "other0", "other1", "other2", "other3"]
    for _ in range(8):
        story.hand.move(500)
        await turns()
    of_slack = [one for one in story.began if one[0].startswith("slack")]
    assert of_slack == [(f"slack{number}", 1_000_000 + 1_000 * number) for number in range(4)]
    assert (story.pool.paced, story.pool.waiting) == (0, 0)


async def test_S4_the_earlier_one_goes_first_whenever_it_was_submitted() -> None:
    story = Story()
    story.submit("running", SLOW, pace=SLACK)
    await turns()
    for name, ago in (("b", 1_000), ("c", 0), ("a", 2_000)):
        story.submit(name, SLOW, in_ms=-ago, pace=SLACK)
    for _ in range(3):
        story.hand.move(1_000)
        await turns()
    assert story.ids == ["running", "a", "b", "c"]


async def test_S4_what_was_let_go_and_is_cancelled_or_never_dials_frees_its_line_at_once() -> None:
    story = Story(Limits(1, 1, 1))
    story.submit("blocks", SLOW, gated=True)
    story.submit("cancelled", SLOW, pace=SLACK)  # let go, behind the limit
    story.submit("put off", SLOW, pace=SLACK, dials=False)
    story.submit("next", SLOW, pace=SLACK)
    await turns()
    assert story.pool.discard("cancelled") == "waiting"
    story.hand.move(0)
    story.gates["blocks"].set()
    await turns(20)
    story.hand.move(0)
    await turns()
    assert story.began == [(name, 1_000_000) for name in ("blocks", "put off", "next")]


async def test_S4_a_held_channel_waits_and_every_other_goes_on() -> None:
    story = Story()
    other = Pace("w", "slack:search", 1_000)
    story.pool.hold(SLACK, story.hand.now + 3_000)
    story.submit("a", SLOW, pace=SLACK)
    story.submit("b", SLOW, pace=other)
    story.hand.move(2_999)
    await turns()
    assert story.ids == ["b"]
    story.hand.move(1)
    await turns()
    assert story.began[1:] == [("a", 1_003_000)]


async def test_S4_closing_leaves_no_alarm_and_names_those_that_waited() -> None:
    story = Story()
    for name in "abc":
        story.submit(name, SLOW, pace=SLACK)
    await turns()
    assert set(await story.pool.close()) == {"b", "c"}
    assert all(alarm.cancelled for alarm in story.hand.alarms)
