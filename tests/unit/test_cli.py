"""The command line itself; what the commands do is tested where it is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tocsin import __version__
from tocsin.cli import app, main
from tocsin.settings import settings

HEAVY = ("aiokafka", "alembic", "asyncpg", "fastapi", "faust", "httpx", "pydantic", "sqlalchemy", "uvicorn", "jgo")
COMMANDS = (
    *("up", "http", "ingest", "api", "stream", "project", "demo", "migrate", "topics", "status", "doctor"),
    *("keys create", "keys list", "keys revoke", "keys rotate", "dlq list", "dlq show", "dlq replay"),
    *(
        "projections rebuild",
        "projections checksum",
        "send failure",
        "backtest grouping",
        "backtest sla",
        "sla check",
        "jobs audit",
    ),
    *("sources secret add", "sources secret list", "sources secret revoke"),
)


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"tocsin {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    script = f"import sys, tocsin.cli; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = CliRunner().invoke(app, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert len(done.output) > 150


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("status",), "No tocsin runs in "),
        (("demo",), "No tocsin runs in "),
        (("dlq", "list", "--domain", "nowhere"), "There is no domain nowhere; there are tickets, alerts"),
        (("stream", "--domains", "nowhere"), "There is no domain nowhere; there are tickets, alerts"),
        (("dlq", "replay", "--value-file", __file__), "--value-file repairs one record"),
        (("send", "failure", "--workflow", "w", "--message", "m", "--context", "{"), "--context is no JSON"),
        (("keys", "create", "--workspace", "w", "--scopes", "rule"), "There is no scope rule"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_1(
    arguments: tuple[str, ...],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tocsin", *arguments])
    settings.cache_clear()
    with pytest.raises(SystemExit) as left:
        main()
    settings.cache_clear()
    assert left.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith(f"tocsin: {sentence}")
    assert error.count("\n") == 1
