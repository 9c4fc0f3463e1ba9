"""Keeps the figures of every row in ``results.json`` and prints them as ``RESULTS.md``.

A row that is not run keeps what it had. A quick run shows its figures and never replaces those of a full one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.figures import Line, Spread, Target, line_from
from bench.row import Row

FOLDER: Final = Path(__file__).parent
_KEPT: Final = FOLDER / "results.json"
_PRINTED: Final = FOLDER / "RESULTS.md"
_INTRODUCTION: Final = """\
# Results

Written by `python -m bench` (`make bench`); do not edit. Ours and the bare loop of a row were measured in the same run,
in turns, so the ratio means more than the figures: those move with the machine. Cells are min / **median** / max of the
rounds.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """One row as it was measured. ``at``: local date and time; ``load``: load average when it began."""

    at: str
    quick: bool
    load: float
    machine: Mapping[str, Any]
    lines: Sequence[Line]


def load() -> dict[str, Result]:
    """What was measured before, by row."""
    if not _KEPT.exists():
        return {}
    kept: dict[str, dict[str, Any]] = json.loads(_KEPT.read_text())
    return {name: Result(**{**one, "lines": [line_from(line) for line in one["lines"]]}) for name, one in kept.items()}


def keep(name: str, result: Result, rows: Sequence[Row]) -> bool:
    """Adds a row and prints everything anew; False when a full result stands and this one is quick."""
    known = load()
    if result.quick and name in known and not known[name].quick:
        return False
    known[name] = result
    _KEPT.write_text(json.dumps({key: dataclasses.asdict(one) for key, one in known.items()}, indent=1) + "\n")
    _PRINTED.write_text(
        "\n".join([_INTRODUCTION, *(section(row, known[row.name]) for row in rows if row.name in known)])
    )
    return True


def section(row: Row, result: Result) -> str:
    machine = result.machine
    head = [
        f"## {row.name}: {row.title}",
        "",
        f"{result.at}{', **quick sizes**' if result.quick else ''}; load average {result.load} at the start;"
        f" {machine['cpu']}, {machine['cores']} cores, {machine['memory']} GiB, {machine['system']};"
        f" Python {machine['python']}, Kafka {machine['kafka']}, PostgreSQL {machine['postgresql']}.",
        "",
        *([f"Bare: {row.bare}.", ""] if row.bare else []),
        "| measure | unit | ours | bare | ratio | target | met |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *("| " + " | ".join(cells(line)) + " |" for line in result.lines), ""])


def cells(line: Line) -> list[str]:
    """The columns of a line: measure, unit, ours, bare, ratio, target, met."""
    return [
        line.measure,
        line.unit,
        _spread(line.ours),
        _spread(line.bare) if line.bare else "",
        "" if line.ratio is None else f"{line.ratio:.0%}",
        "; ".join(_target(target) for target in line.targets),
        "; ".join("yes" if target.met(line) else "**no**" for target in line.targets),
    ]


def _spread(spread: Spread) -> str:
    if spread.rounds == 1:
        return f"**{_number(spread.median)}**"
    return f"{_number(spread.minimum)} / **{_number(spread.median)}** / {_number(spread.maximum)}"


def _target(target: Target) -> str:
    limit = f"{target.limit:.0%} of bare" if target.of_ratio else _number(target.limit)
    return f"{'≥' if target.at_least else '<'} {limit}"


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"
