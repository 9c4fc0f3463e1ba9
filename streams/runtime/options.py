"""What a stream worker is told once at start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_ACT_MARGIN: Final = 300  # ms before a session may end in which nothing leaves the system any more

EXIT_CRASHED: Final = 1
EXIT_LOST_OWNERSHIP: Final = 3  # fenced, cancelled or an unknown commit: a fresh process joins the group again
EXIT_CANNOT_OPEN: Final = 4  # state could not be loaded in time, or the log no longer reaches back to the position
EXIT_FROZEN: Final = 5  # the process stood still longer than its session
EXIT_NO_PROGRESS: Final = 6  # records wait, but a partition does not move


@dataclass(frozen=True, slots=True)
class Options:
    """Times in ms unless named otherwise.

    act_within: effects leave only so long after a heartbeat that the group answered.
    look_again_after: how often due times are computed anew, in domains that ask for it.
    slice_records / slice_bytes: the most one transaction takes.
    duplicate_window: how long sender-given ids are remembered; duplicate_cap: how many at most, per partition.
    """

    bootstrap_servers: str
    installation: str
    partitions: int
    session_timeout: int = 1500
    heartbeat_interval: int = 300
    transaction_timeout: int = 2000
    frozen_after: int = 1500
    open_timeout: int = 30_000
    no_progress_after: int = 10_000
    duplicate_window: int = 600_000
    duplicate_cap: int = 300_000
    slice_records: int = 2000
    slice_bytes: int = 1024 * 1024
    look_again_after: int = 60_000
    max_message_bytes: int = 2 * 1024 * 1024 - 64 * 1024

    @property
    def act_within(self) -> int:
        return self.session_timeout - min(_ACT_MARGIN, self.session_timeout // 2)

    def transactional_id(self, domain: str, partition: int) -> str:
        """One id per partition, whatever group, role or version: its newest holder fences every other."""
        return f"{self.installation}-{domain}-{partition}"
