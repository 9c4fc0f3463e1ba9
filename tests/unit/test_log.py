"""One JSON object a line, without secrets, in files that rotate and expire."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tocsin.log import DatedFileHandler, configure, expire, mask_text
from tocsin.settings import Settings

KEY = "tocsin_abcdefgh_" + "x" * 43


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Any]:
    """Configures a role that logs to a file; calling it gives what was logged."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure("test", Settings(_env_file=None, TOCSIN_LOG_DIR=tmp_path))
    yield lambda: [json.loads(line) for line in (tmp_path / "test.log").read_text().splitlines()]
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


def test_a_line_carries_role_correlation_id_and_values(lines: Any) -> None:
    with structlog.contextvars.bound_contextvars(correlation_id="c-1"):
        structlog.get_logger("some.module").info("decided", partition=3, latency_ms=1.5)
    found = lines()[0]
    assert found.pop("at").endswith("Z")
    assert found == {
        "level": "info",
        "event": "decided",
        "role": "test",
        "logger": "some.module",
        "correlation_id": "c-1",
        "partition": 3,
        "latency_ms": 1.5,
    }


@pytest.mark.parametrize("name", ["uvicorn.error", "faust.worker", "mode", "asyncpg"])
def test_other_loggers_write_the_same_form(lines: Any, name: str) -> None:
    logging.getLogger(name).warning("from %s", "elsewhere")
    assert (lines()[0]["event"], lines()[0]["logger"], lines()[0]["role"]) == ("from elsewhere", name, "test")


def test_an_exception_is_part_of_its_line(lines: Any) -> None:
    try:
        raise ValueError("postgresql://me:hidden@host/db")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert "ValueError" in lines()[0]["exception"]
    assert "hidden" not in lines()[0]["exception"]


@pytest.mark.parametrize(
    "values",
    [
        {"api_key": "hidden"},
        {"headers": {"Authorization": "hidden", "list": [{"token": "hidden"}]}},
        {"dsn": "postgresql://postgres:hidden@host/db"},
        {"url": "/events?token=hidden&x=1"},
        {"note": f"presented {KEY}"},
        {"note": "sent Bearer hiddenhiddenhidden"},
        {"error": ValueError("postgresql://a:hidden@b/c")},
    ],
)
def test_secrets_never_reach_the_log(lines: Any, values: dict[str, Any]) -> None:
    structlog.get_logger("x").info("looked", **values)
    text = json.dumps(lines())
    assert "hidden" not in text
    assert "x" * 43 not in text
    assert "***" in text


def test_a_dsn_without_password_stays_readable() -> None:
    assert mask_text("postgresql://postgres:@/postgres?host=/x") == "postgresql://postgres:@/postgres?host=/x"


def test_a_full_file_is_rotated_and_nothing_is_lost(tmp_path: Path) -> None:
    handler = DatedFileHandler(tmp_path, "role", 14, max_bytes=100)
    for number in range(50):
        handler.handle(logging.LogRecord("x", logging.INFO, "", 0, f"line {number}", (), None))
    handler.close()
    written = "".join(path.read_text() for path in tmp_path.glob("role*.log"))
    assert sorted(written.splitlines()) == sorted(f"line {number}" for number in range(50))
    assert all(path.stat().st_size < 200 for path in tmp_path.iterdir())


def test_a_new_day_begins_a_new_file(tmp_path: Path) -> None:
    yesterday = time.time() - 86_400
    (tmp_path / "role.log").write_text("old\n")
    os.utime(tmp_path / "role.log", (yesterday, yesterday))
    handler = DatedFileHandler(tmp_path, "role", 14)
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "new", (), None))
    handler.close()
    assert (tmp_path / "role.log").read_text() == "new\n"
    assert len(list(tmp_path.glob("role-????-??-??-1.log"))) == 1


def test_files_older_than_the_retention_are_deleted(tmp_path: Path) -> None:
    now = time.time()
    for name, days in (("kept.log", 6.9), ("expired.log", 7.1), ("expired.txt", 30)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now - days * 86_400,) * 2)
    assert [path.name for path in expire(tmp_path, 7, now)] == ["expired.log"]
    assert {path.name for path in tmp_path.iterdir()} == {"kept.log", "expired.txt"}
