"""Prints the sizes of files and functions beside the budget. A mirror, not a gate: it always ends with 0."""

from __future__ import annotations

import ast
import math
from pathlib import Path

FOLDERS = ("src/tocsin", "ingest", "streams", "projections", "api")
FILE_BUDGET = {"p50": 90, "p95": 250, "max": 400}
FUNCTION_BUDGET = {"p50": 8, "p95": 35, "max": 60}
SHOWN = 10

Sized = tuple[int, str]


def files() -> list[Path]:
    """Python files of the package; the links in src/tocsin lead to folders that are listed themselves."""
    linked = {path for path in Path("src/tocsin").iterdir() if path.is_symlink()}
    found = (path for folder in FOLDERS for path in sorted(Path(folder).rglob("*.py")))
    return [path for path in found if not linked.intersection(path.parents)]


def functions(path: Path) -> list[Sized]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [((node.end_lineno or node.lineno) - node.lineno + 1, f"{path}:{node.lineno} {node.name}") for node in nodes]


def quantile(sizes: list[Sized], share: float) -> int:
    ordered = sorted(size for size, _ in sizes)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0


def report(what: str, sizes: list[Sized], budget: dict[str, int]) -> None:
    found = {"p50": quantile(sizes, 0.5), "p95": quantile(sizes, 0.95), "max": quantile(sizes, 1)}
    figures = "  ".join(
        f"{name} {value} (budget {budget[name]}){' !' if value > budget[name] else ''}" for name, value in found.items()
    )
    print(f"{what}: {len(sizes)}, {sum(size for size, _ in sizes)} lines  {figures}")
    over = sorted((entry for entry in sizes if entry[0] > budget["p95"]), reverse=True)
    for size, name in over[:SHOWN]:
        print(f"  {size:4} {name}")


def main() -> None:
    every = files()
    report("files", [(len(path.read_text(encoding="utf-8").splitlines()), str(path)) for path in every], FILE_BUDGET)
    report("functions", [entry for path in every for entry in functions(path)], FUNCTION_BUDGET)


if __name__ == "__main__":
    main()
