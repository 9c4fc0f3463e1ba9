"""``python -m bench``: measures every row, or those of ``--only``, and writes RESULTS.md."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import uvloop
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench import results
from bench.machine import description, load_average
from bench.registry import ROWS
from bench.row import Bench, Row

_WIDTH: Final = 140  # of tables written to a file


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default="", metavar="ROW[,ROW]", help="only these rows")
    parser.add_argument("--quick", action="store_true", help="small sizes; full results already kept are not replaced")
    parser.add_argument("--list", action="store_true", help="the rows, and end")
    return parser.parse_args(given)


def chosen(only: str) -> list[Row]:
    """The rows named, in the order of the registry. Raises SystemExit for a name that is none."""
    names = {name.strip() for name in only.split(",") if name.strip()} or {row.name for row in ROWS}
    if unknown := names - {row.name for row in ROWS}:
        sys.exit(f"There is no row {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in ROWS)}.")
    return [row for row in ROWS if row.name in names]


def measure(row: Row, quick: bool, console: Console) -> results.Result:
    at, load = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"), load_average()
    columns = SpinnerColumn(), TextColumn("{task.fields[row]}: {task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, refresh_per_second=2) as progress:
        task = progress.add_task("", total=None, row=row.name)
        bench = Bench(quick, lambda text: progress.update(task, description=text))
        lines = uvloop.run(row.run(bench))
    return results.Result(at, quick, load, description(), lines)


def show(row: Row, result: results.Result, console: Console) -> None:
    table = Table("measure", "unit", "ours", "bare", "ratio", "target", "met", title=f"{row.name}: {row.title}")
    for line in result.lines:
        table.add_row(*(cell.replace("**", "") for cell in results.cells(line)))
    console.print(table)


def main() -> int:
    options, console = arguments(), Console()
    if not console.is_terminal:
        console.width = _WIDTH
    rows = chosen(options.only)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it warns while new topics get their leaders
    if options.list:
        for row in rows:
            console.print(f"{row.name:12} {row.title}", highlight=False)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started is stopped
    failed = []
    started = time.monotonic()
    for row in rows:
        try:
            result = measure(row, options.quick, console)
        except Exception:
            console.print_exception(max_frames=4)
            failed.append(row.name)
            continue
        show(row, result, console)
        if not results.keep(row.name, result, ROWS):
            console.print("quick: the full result of this row is kept", style="yellow")
    console.print(f"{len(rows) - len(failed)} rows in {(time.monotonic() - started) / 60:.1f} minutes")
    if failed:
        console.print(f"failed: {', '.join(failed)}", style="red")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
