"""Prints under each story of docs/stories.md the tests that show it, found by the id in their names.

``python tools/stories.py`` rewrites the file, ``--check`` exits 1 when that would change it, or when a test cites a
story that is not there.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORIES = ROOT / "docs" / "stories.md"
_STORY = re.compile(r"^- \*\*([A-Z]\d+)\*\* ")
_CITED = re.compile(r"test_([A-Z]\d+)_")


def tests() -> Iterator[tuple[str, str]]:
    """(story id, path::name) of every test that cites a story."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (cited := _CITED.match(node.name)):
                yield cited[1], f"`{path.relative_to(ROOT / 'tests')}::{node.name}`"


def rendered(text: str) -> tuple[str, set[str]]:
    """The document with its lists of tests made anew, and the ids tests cite that it does not have."""
    shown: dict[str, list[str]] = defaultdict(list)
    for story, name in tests():
        shown[story].append(name)
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("  - `"):
            continue
        lines.append(line)
        if found := _STORY.match(line):
            lines += [f"  - {name}" for name in shown.pop(found[1], [])]
    return "\n".join(lines) + "\n", set(shown)


def main() -> int:
    before = STORIES.read_text()
    after, unknown = rendered(before)
    if unknown:
        sys.stderr.write(f"tests cite stories that docs/stories.md does not have: {', '.join(sorted(unknown))}\n")
        return 1
    if "--check" in sys.argv:
        if after != before:
            sys.stderr.write("docs/stories.md is out of date; run: make docs\n")
        return int(after != before)
    STORIES.write_text(after)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
