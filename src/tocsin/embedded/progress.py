"""What the person at the terminal sees while things start: one line per step, spinning until it is done."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Steps:
    """Named steps that run side by side. May be called from any thread."""

    def __init__(self, console: Console) -> None:
        columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Steps:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, name: str, detail: str = "") -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=1)
        self._progress.update(self._tasks[name], description=f"{name}: {detail}" if detail else name)

    def done(self, name: str, detail: str = "") -> None:
        self.begin(name, detail)
        self._progress.update(self._tasks[name], completed=1)
