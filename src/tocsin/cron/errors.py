"""What is wrong with a schedule, in the shape of the API's field errors but without its libraries."""

from __future__ import annotations

from collections.abc import Sequence


class ScheduleError(ValueError):
    """One field that is wrong: its name, a stable code, a sentence, and what would be right."""

    def __init__(self, field: str, code: str, message: str, allowed: Sequence[str] | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.code = code
        self.message = message
        self.allowed = None if allowed is None else tuple(allowed)


class CronError(ScheduleError):
    """The expression is refused. ``field`` is ``cron``, ``cron_format`` or the field of the expression."""


class ZoneError(ScheduleError):
    """The time zone is refused; ``field`` is ``timezone``."""
