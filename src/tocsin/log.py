"""One JSON object per line for every logger of a process: ours, uvicorn's, Faust's and the libraries'.

On a terminal the lines are coloured text. With a directory they go to ``<role>.log`` there, rotated and expired.
"""

from __future__ import annotations

import logging
import logging.handlers
import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from tocsin.settings import Settings, settings

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
MASK: Final = "***"
_SECRET_NAME: Final = re.compile(r"key|token|secret|password|passwd|authorization|cookie|pepper|credential", re.I)
_SECRET_TEXT: Final = (
    (re.compile(r"(://[^\s:/@]*):[^\s/@]+@"), rf"\1:{MASK}@"),  # password of a DSN
    (re.compile(r"([?&](?:token|key|secret|password|api_key)=)[^&\s\"']+", re.I), rf"\1{MASK}"),
    (re.compile(r"\b(tocsin_[a-z2-7]{8})_[A-Za-z0-9_-]{43}"), rf"\1_{MASK}"),  # an API key; its prefix is public
    (re.compile(r"(/services/T[A-Z0-9]+/B[A-Z0-9]+/)[A-Za-z0-9]+"), rf"\1{MASK}"),  # a Slack webhook
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}", re.I), rf"\1 {MASK}"),
)


def configure(role: str, current: Settings | None = None) -> None:
    """Routes all logging of this process as the settings say; ``role`` is in every line. Call once, before logging."""
    current = current or settings()
    level, directory = current.log_level, current.log_dir
    handler: logging.Handler
    if directory is not None:
        handler = DatedFileHandler(directory, role, current.log_retention_days)
    else:
        handler = logging.StreamHandler(sys.stdout)
    console = directory is None and sys.stdout.isatty()
    handler.setFormatter(_formatter(role, console))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error", "faust", "mode", "aiokafka"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # one line per request, handshake or rebalance step otherwise
    for name in ("uvicorn.access", "uvicorn.websocket", "aiokafka", "httpx", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_shared(role),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(True)


def _shared(role: str) -> list[Processor]:
    def with_role(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event.setdefault("role", role)
        return event

    return [
        with_role,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]


def _formatter(role: str, console: bool) -> logging.Formatter:
    rendering: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if console:
        rendering += [mask_secrets, structlog.dev.ConsoleRenderer()]
    else:
        rendering += [structlog.processors.format_exc_info, mask_secrets, _json]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.contextvars.merge_contextvars, *_shared(role)], processors=rendering
    )


def _json(_: WrappedLogger, __: str, event: EventDict) -> str:
    ordered = {"at": event.pop("at", None), "level": event.pop("level", None), "event": event.pop("event", None)}
    return orjson.dumps({**ordered, **event}, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def mask_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Values under a secret-sounding name, and secrets inside texts, become ``***``; the last processor to see them."""
    return {name: _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: Any) -> Any:
    if value and _SECRET_NAME.search(name):
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        return {key: _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", inner) for inner in value]
    if isinstance(value, BaseException):
        return mask_text(repr(value))
    return value


def mask_text(text: str) -> str:
    """``text`` without passwords of DSNs, tokens of queries and headers, and API keys."""
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


class DatedFileHandler(logging.handlers.BaseRotatingHandler):
    """``<role>.log``; at midnight UTC and at 10 MiB it becomes ``<role>-<date>-<n>.log``; old ones are deleted."""

    def __init__(self, directory: Path, role: str, retention_days: int, max_bytes: int = MAX_FILE_BYTES) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._role = role
        self._retention_days = retention_days
        self._max_bytes = max_bytes
        path = directory / f"{role}.log"
        self._day = _day(path.stat().st_mtime if path.exists() else time.time())
        super().__init__(path, "a", encoding="utf-8")
        expire(directory, retention_days)

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        full = self.stream is not None and self.stream.tell() >= self._max_bytes
        return full or _day(record.created) != self._day

    def doRollover(self) -> None:
        if self.stream is not None:
            self.stream.close()
        number = 1
        while (target := self._directory / f"{self._role}-{self._day}-{number}.log").exists():
            number += 1
        self.rotate(self.baseFilename, str(target))
        self._day = _day(time.time())
        self.stream = self._open()
        expire(self._directory, self._retention_days)


def expire(directory: Path, retention_days: int, now: float | None = None) -> list[Path]:
    """Deletes log files below ``directory`` not written to for ``retention_days``; gives what was deleted."""
    oldest = (time.time() if now is None else now) - retention_days * 86_400
    expired = [path for path in directory.rglob("*.log") if path.stat().st_mtime < oldest]
    for path in expired:
        path.unlink(missing_ok=True)
    return expired


def _day(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).date().isoformat()
