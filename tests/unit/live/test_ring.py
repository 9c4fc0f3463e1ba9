"""The newest events in memory: complete from where they begin, whatever was dropped, for every choice of types."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.live import MemoryLog
from tocsin.api.live.entry import Entry
from tocsin.api.live.ring import Channel, Ring
from tocsin.api.live.types import parse
from tocsin.events.identity import partition_of

WORKSPACES = ("default", "acme")  # both in the only partition
CHOICES = [parse(patterns) for patterns in ([], ["sla.*"], ["ticket.opened", "job.*"])]
TYPES = ("sla.breached", "ticket.opened", "ticket.hidden", "job.disabled")


class Counting:
    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def told(channel: Channel, position: int) -> list[Entry]:
    """Everything from there on, in bites of two."""
    found: list[Entry] = []
    while more := channel.after(position, 2):
        found += more
        position = more[-1].position + 1
    return found


@given(
    st.lists(st.tuples(st.sampled_from(WORKSPACES), st.sampled_from(TYPES)), max_size=40),
    st.lists(st.integers(1, 5), min_size=1),
    st.integers(400, 6_000),
    st.integers(0, 40),
)
def test_S5_a_channel_is_complete_from_its_start(
    events: list[tuple[str, str]], bites: list[int], limit: int, joins_at: int
) -> None:
    log = MemoryLog(partitions=1)
    entries = [log.append(live_type, workspace) for workspace, live_type in events]
    ring, channels, taken, listener = Ring(limit), list[Channel](), 0, Counting()
    while taken < len(entries):
        if not channels and taken >= joins_at:
            channels = [ring.join(workspace, choice, listener) for workspace in WORKSPACES for choice in CHOICES]
        bite = entries[taken : taken + bites[taken % len(bites)]]
        taken += len(bite)
        ring.extend(bite, bite[-1].position + 2)
        assert ring.size <= limit
        for channel in channels:
            assert channel.start <= ring.end
            wanted = [entry for entry in entries[:taken] if entry.position >= channel.start and channel.wants(entry)]
            assert told(channel, channel.start) == wanted


def test_only_who_wants_an_event_is_woken() -> None:
    log, ring = MemoryLog(partitions=1), Ring(10_000)
    sla, jobs, elsewhere = Counting(), Counting(), Counting()
    ring.join("default", parse(["sla.*"]), sla)
    ring.join("default", parse(["job.*"]), jobs)
    ring.join("acme", parse([]), elsewhere)
    ring.extend([log.append("sla.breached"), log.append("sla.warning")], 4)
    assert (sla.woken, jobs.woken, elsewhere.woken) == (1, 0, 0)


def test_a_channel_without_listeners_is_forgotten() -> None:
    ring, one, other = Ring(10_000), Counting(), Counting()
    channel = ring.join("default", parse([]), one)
    assert ring.join("default", parse([]), other) is channel
    ring.leave(channel, one)
    assert ring.join("default", parse([]), one) is channel
    ring.leave(channel, one)
    ring.leave(channel, other)
    assert ring.join("default", parse([]), one) is not channel


def test_another_log_begins_anew_and_wakes_everybody() -> None:
    log, ring, listener = MemoryLog(partitions=1), Ring(10_000), Counting()
    channel = ring.join("default", parse([]), listener)
    ring.extend([log.append()], 2)
    ring.restart(7, lost=True)
    assert (ring.start, ring.end, ring.size, ring.generation, channel.start) == (7, 7, 0, 1, 7)
    assert (told(channel, 0), listener.woken) == ([], 2)


def test_all_events_of_a_workspace_are_in_one_partition() -> None:
    log = MemoryLog(partitions=16)
    for workspace in ("default", "acme", "j_x", "d_x"):
        entry: Any = log.append(workspace=workspace, ticket_id="t")
        assert log.entries[partition_of(workspace.encode(), 16)][-1] is entry
