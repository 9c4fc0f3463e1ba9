"""What waiting for an outside job costs on AWS: polling inside the workflow against a task token.

``python tools/cost.py`` prints the tables of docs/cost.md and its plot anew, ``--check`` exits 1 when that would change
the tables. Prices and assumptions are the two classes below; dollars, without any free tier.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENT: Final = ROOT / "docs" / "cost.md"
PLOT: Final = ROOT / "docs" / "cost.svg"
CLAIM: Final = 0.87
_MICRO: Final = 1e-6
_BLOCK = re.compile(r"(<!-- cost: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Prices:
    """us-east-1, x86, on demand; docs/cost.md has the sources."""

    transition: float = 25 * _MICRO
    lambda_request: float = 0.20 * _MICRO
    lambda_gb_second: float = 16.6667 * _MICRO
    dynamodb_write: float = 0.625 * _MICRO
    dynamodb_read: float = 0.125 * _MICRO
    schedule: float = 1.00 * _MICRO


@dataclass(frozen=True)
class Assumptions:
    """Counts are those of examples/step-functions; durations are ours, for 256 MB.

    writes: of an item below 1 KB, each change of an index key counting two more. loop_transitions: Wait, Task, Choice.
    """

    memory_gb: float = 0.25
    create_seconds: float = 0.15
    check_seconds: float = 0.05
    poller_seconds: float = 0.05
    poller_seconds_a_row: float = 0.015
    fixed_transitions: int = 3
    loop_transitions: int = 3
    poller_writes_a_job: int = 10
    poller_writes_a_poll: int = 5
    poller_reads_a_poll: float = 0.5
    tocsin_writes_a_job: int = 4
    waiting_at_once: int = 100


@dataclass(frozen=True)
class Cost:
    """Dollars of one job, from start to result."""

    transitions: float
    functions: float
    tables: float = 0.0
    schedule: float = 0.0

    @property
    def total(self) -> float:
        return self.transitions + self.functions + self.tables + self.schedule


PRICES: Final = Prices()
ASSUMED: Final = Assumptions()


def invocation(seconds: float, given: Assumptions = ASSUMED) -> float:
    return PRICES.lambda_request + seconds * given.memory_gb * PRICES.lambda_gb_second


def polled_inside(polls: int, given: Assumptions = ASSUMED) -> Cost:
    """Create the job, then Wait, Task and Choice for every poll, then two states with the result."""
    transitions = given.fixed_transitions + polls * given.loop_transitions
    functions = invocation(given.create_seconds, given) + polls * invocation(given.check_seconds, given)
    return Cost(transitions * PRICES.transition, functions)


def by_poller(polls: int, given: Assumptions = ASSUMED) -> Cost:
    """A task token and ``poc-poller``: the schedule and the poller's start are shared by all that wait."""
    share = 1 / given.waiting_at_once
    functions = invocation(given.create_seconds, given) + polls * (
        invocation(given.check_seconds, given)
        + share * invocation(given.poller_seconds, given)
        + given.poller_seconds_a_row * given.memory_gb * PRICES.lambda_gb_second
    )
    writes = given.poller_writes_a_job + polls * given.poller_writes_a_poll
    tables = writes * PRICES.dynamodb_write + polls * given.poller_reads_a_poll * PRICES.dynamodb_read
    transitions = given.fixed_transitions * PRICES.transition
    return Cost(transitions, functions, tables, polls * share * PRICES.schedule)


def by_tocsin(_polls: int, given: Assumptions = ASSUMED) -> Cost:
    """A task token and tocsin, which asks the job from outside AWS: a poll costs nothing there."""
    tables = given.tocsin_writes_a_job * PRICES.dynamodb_write
    return Cost(given.fixed_transitions * PRICES.transition, invocation(given.create_seconds, given), tables)


def saving(cost: Callable[[int, Assumptions], Cost], polls: int, given: Assumptions = ASSUMED) -> float:
    """Share of what polling inside the workflow costs, 0 to 1."""
    return 1 - cost(polls, given).total / polled_inside(polls, given).total


def transitions_saved(polls: int, loop_transitions: int = ASSUMED.loop_transitions) -> float:
    """The same by transitions alone, as rules of thumb have it."""
    fixed = ASSUMED.fixed_transitions
    return 1 - fixed / (fixed + polls * loop_transitions)


def polls_until(share: float, of: Callable[[int], float]) -> int:
    """The smallest number of polls with at least this saving. Raises ValueError above 100,000."""
    for polls in range(1, 100_001):
        if of(polls) >= share:
            return polls
    raise ValueError(f"{share:.0%} is never reached")


def polls_in(duration_seconds: int, interval_seconds: int) -> int:
    return max(1, math.ceil(duration_seconds / interval_seconds))


# --- what is printed -------------------------------------------------------------------------------------------------

_DURATIONS: Final = {"5 min": 300, "15 min": 900, "1 h": 3_600, "6 h": 21_600, "24 h": 86_400}
_INTERVALS: Final = {"30 s": 30, "1 min": 60, "5 min": 300, "15 min": 900}
_SHORTEST_SCHEDULE: Final = 60
"""EventBridge Scheduler fires at most once a minute."""


def percent(share: float) -> str:
    """Never 100 %: something is always paid."""
    return f"{min(100 * share, 99.9):.1f} %"


def one_job(polls: int = 10) -> Iterator[str]:
    yield f"| $ per million jobs of {polls} polls | transitions | functions | tables | schedule | all | saving |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    ways: dict[str, Callable[[int, Assumptions], Cost]] = {
        "polling inside the workflow": polled_inside,
        "task token, `poc-poller`": by_poller,
        "task token, tocsin": by_tocsin,
    }
    for name, way in ways.items():
        cost = way(polls, ASSUMED)
        columns = [f"{getattr(cost, one.name) / _MICRO:.2f}" for one in fields(cost)]
        share = "" if way is polled_inside else percent(saving(way, polls))
        yield f"| {name} | {' | '.join(columns)} | {cost.total / _MICRO:.2f} | {share} |"


def table_of_savings() -> Iterator[str]:
    yield f"| job takes | {' | '.join(f'polled every {name}' for name in _INTERVALS)} |"
    yield "|---|" + "---:|" * len(_INTERVALS)
    for name, duration in _DURATIONS.items():
        cells = []
        for interval in _INTERVALS.values():
            if interval > duration:
                cells.append("")
                continue
            polls = polls_in(duration, interval)
            poller = percent(saving(by_poller, polls)) if interval >= _SHORTEST_SCHEDULE else "no schedule"
            cells.append(f"{poller} / {percent(saving(by_tocsin, polls))}")
        yield f"| {name} | {' | '.join(cells)} |"


def claim() -> Iterator[str]:
    alone = Assumptions(waiting_at_once=1)
    rows: dict[str, Callable[[int], float]] = {
        "transitions alone, 1 a poll: the check fails until the job ends, Retry waits": (
            lambda polls: transitions_saved(polls, 1)
        ),
        "transitions alone, 2 a poll: the check fails, Catch leads to Wait": lambda polls: transitions_saved(polls, 2),
        "transitions alone, 3 a poll: Wait, Task, Choice": transitions_saved,
        "everything, `poc-poller`, 100 jobs wait at once": lambda polls: saving(by_poller, polls),
        "everything, `poc-poller`, one job waits": lambda polls: saving(by_poller, polls, alone),
        "everything, tocsin": lambda polls: saving(by_tocsin, polls),
    }
    yield "| what is counted | at 3 polls | at 10 | at 60 | at 1,440 | 87 % from |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, of in rows.items():
        cells = " | ".join(percent(of(polls)) for polls in (3, 10, 60, 1_440))
        yield f"| {name} | {cells} | {polls_until(CLAIM - 0.005, of)} polls |"


BLOCKS: Final = {"one_job": one_job, "savings": table_of_savings, "claim": claim}


def rendered(text: str) -> str:
    """The document with its tables printed anew."""
    return _BLOCK.sub(lambda found: found[1] + "\n".join(BLOCKS[found[2]]()) + "\n" + found[3], text)


def plot(file: Path) -> None:
    """Savings over the number of polls; the same bytes for the same numbers."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "cost", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    polls = [1, 2, 3, 5, 7, 10, 15, 20, 30, 60, 120, 240, 480, 960, 1_440]
    lines: dict[str, Callable[[int], float]] = {
        "tocsin, everything": lambda many: saving(by_tocsin, many),
        "transitions alone, 3 a poll": transitions_saved,
        "poc-poller, everything, 100 wait at once": lambda many: saving(by_poller, many),
        "poc-poller, everything, one waits": lambda many: saving(by_poller, many, Assumptions(waiting_at_once=1)),
        "transitions alone, 2 a poll": lambda many: transitions_saved(many, 2),
        "transitions alone, 1 a poll": lambda many: transitions_saved(many, 1),
    }
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name, of in lines.items():
        axes.plot(polls, [100 * of(many) for many in polls], marker=".", label=name)
    axes.axhline(100 * CLAIM, color="grey", linestyle="--", linewidth=1, label="87 %")
    axes.set(xscale="log", xlabel="polls until the job ends", ylabel="saved, %", ylim=(20, 101))
    axes.set_xticks([1, 3, 10, 60, 240, 1_440], ["1", "3", "10", "60", "240", "1440"])
    axes.minorticks_off()
    axes.legend(loc="lower right", frameon=False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def main() -> int:
    before = DOCUMENT.read_text()
    after = rendered(before)
    if "--check" in sys.argv:
        if after != before:
            sys.stderr.write("docs/cost.md is out of date; run: python tools/cost.py\n")
        return int(after != before)
    DOCUMENT.write_text(after)
    plot(PLOT)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
