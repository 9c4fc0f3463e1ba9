"""The paths by which answers of outside jobs are read: names and positions, nothing else. Pure.

``$`` is the whole document; then ``.name``, ``['any name']`` and ``[3]`` (``[-1]`` is the last). The leading ``$.`` may
be left out. It is the part of RFC 9535 that finds at most one node: child and index selectors.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

MAX_LENGTH: Final = 200
MAX_STEPS: Final = 20
MISSING: Final = object()
"""What ``find`` answers when there is nothing at the path; null is something."""

_STEP: Final = re.compile(
    r"""(?x)
      \.(?P<name>[^.\[\]'"\s$]+)
    | \[\s*(?P<index>-?\d{1,9})\s*\]
    | \[\s*'(?P<single>(?:[^'\\]|\\['\\])*)'\s*\]
    | \[\s*"(?P<double>(?:[^"\\]|\\["\\])*)"\s*\]
    """
)
_ESCAPED: Final = re.compile(r"\\(.)")

Step = str | int


@lru_cache(1024)
def parse(path: str) -> tuple[Step, ...]:
    """The steps of a path. Raises ValueError with a sentence for people."""
    if not 0 < len(path) <= MAX_LENGTH:
        raise ValueError(f"a path has 1 to {MAX_LENGTH} characters")
    text = path[1:] if path.startswith("$") else path if path.startswith("[") else f".{path}"
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise ValueError(f"the path cannot be read from character {at + 1 - (len(text) - len(path))} on")
        steps.append(_step(found))
        at = found.end()
    if len(steps) > MAX_STEPS:
        raise ValueError(f"a path has at most {MAX_STEPS} steps")
    return tuple(steps)


def _step(found: re.Match[str]) -> Step:
    if found["index"] is not None:
        return int(found["index"])
    quoted = found["single"] if found["single"] is not None else found["double"]
    return found["name"] if quoted is None else _ESCAPED.sub(r"\1", quoted)


def find(document: Any, path: str) -> Any:
    """The value at the path, or MISSING. Raises ValueError for a path that is none."""
    value = document
    for step in parse(path):
        if not _has(value, step):
            return MISSING
        value = value[step]
    return value


def _has(value: Any, step: Step) -> bool:
    if isinstance(step, str):
        return isinstance(value, dict) and step in value
    return isinstance(value, list) and -len(value) <= step < len(value)
