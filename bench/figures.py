"""Figures of a run, their spread over the rounds, and what the design asks of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Figures = Mapping[str, float]
"""What one run found, by the name of the measure."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Spread:
    """Smallest, middle and largest of the rounds."""

    minimum: float
    median: float
    maximum: float
    rounds: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        found = list(values)
        return cls(min(found), statistics.median(found), max(found), len(found))


@dataclass(frozen=True, slots=True)
class Target:
    """What the design asks: of the median, or (``of_ratio``) of the ratio to the bare loop."""

    limit: float
    at_least: bool = True
    of_ratio: bool = False

    def met(self, line: Line) -> bool:
        value = line.ratio if self.of_ratio else line.ours.median
        if value is None:
            return False
        return value >= self.limit if self.at_least else value < self.limit


def at_least(limit: float) -> Target:
    return Target(limit)


def below(limit: float) -> Target:
    return Target(limit, at_least=False)


def ratio_of(limit: float) -> Target:
    return Target(limit, of_ratio=True)


@dataclass(frozen=True, slots=True)
class Line:
    """One measure of a row. ``unit`` as printed: ``events/s``, ``ms``, ``s``, ``MB``."""

    measure: str
    unit: str
    ours: Spread
    bare: Spread | None = None
    targets: tuple[Target, ...] = ()

    @property
    def ratio(self) -> float | None:
        """Ours to bare, of the medians."""
        return self.ours.median / self.bare.median if self.bare and self.bare.median else None


@dataclass(slots=True)
class Rounds:
    """The figures of several runs, by measure."""

    runs: list[Figures] = field(default_factory=list)

    def add(self, figures: Figures) -> None:
        self.runs.append(figures)

    def __getitem__(self, measure: str) -> Spread:
        return Spread.of(run[measure] for run in self.runs)


def single(value: float) -> Spread:
    """A figure that is already a statistic of many samples."""
    return Spread.of([value])


def samples(measure: str, seconds: Sequence[float], *shares: float, targets: Mapping[float, Target]) -> list[Line]:
    """A line for each percentile of samples in seconds, printed in ms; share 1 is the largest."""
    found = []
    for share in shares:
        name = "max" if share == 1 else f"p{share * 100:g}"
        asked = (targets[share],) if share in targets else ()
        found.append(Line(f"{measure}, {name}", "ms", single(percentile(seconds, share) * 1000), targets=asked))
    return found


def line_from(kept: Mapping[str, Any]) -> Line:
    """The reverse of ``dataclasses.asdict``."""
    return Line(
        kept["measure"],
        kept["unit"],
        Spread(**kept["ours"]),
        Spread(**kept["bare"]) if kept["bare"] else None,
        tuple(Target(**target) for target in kept["targets"]),
    )
