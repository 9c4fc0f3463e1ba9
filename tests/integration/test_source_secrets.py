"""Secrets of workspaces: kept encrypted in PostgreSQL, known to a running gateway at once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import pytest
from cryptography.fernet import Fernet

from tests.integration.gateway import GatewayProcess
from tocsin.broker import ensure_topics
from tocsin.cli import main
from tocsin.events.topics import topics
from tocsin.settings import settings

pytestmark = pytest.mark.embedded

PARTITIONS = 4
KEYS = Fernet.generate_key().decode()
BODY = json.dumps({"action": "created", "data": {"issue": {"id": "1", "title": "boom", "level": "error"}}}).encode()


@pytest.fixture
def command(database: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``tocsin`` with these arguments; ``entered``: its standard input."""
    environment = {
        **os.environ,
        "DATABASE_URL": database,
        "TOCSIN_ENCRYPTION_KEYS": KEYS,
        "TOCSIN_DATA_DIR": str(tmp_path / "data"),
    }

    def run(*arguments: str, entered: str = "") -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "tocsin", "sources", "secret", *arguments]
        return subprocess.run(line, input=entered, env=environment, cwd=tmp_path, capture_output=True, text=True)

    return run


async def test_I1_a_secret_of_a_workspace_is_added_used_and_revoked_while_running(
    kafka: str, database: str, tmp_path: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    await ensure_topics(kafka, topics(), PARTITIONS)
    with GatewayProcess(kafka, database, tmp_path, TOCSIN_ENCRYPTION_KEYS=KEYS) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url) as http:
            await until(http, 401)
            added = await asyncio.to_thread(
                command, "add", "--workspace", "acme", "--source", "sentry", entered="hush-hush\n"
            )
            assert added.returncode == 0, added.stderr
            await until(http, 202)
            revoked = await asyncio.to_thread(command, "revoke", added.stdout.strip())
            assert "is revoked" in revoked.stdout
            await until(http, 401)
    connection = await asyncpg.connect(database)
    try:
        stored = await connection.fetchval("SELECT string_agg(s::text, '') FROM tocsin.sources_secrets s")
    finally:
        await connection.close()
    assert b"hush-hush".hex() not in stored
    assert "hush-hush" not in gateway.log


async def until(http: httpx.AsyncClient, status: int) -> None:
    """Until the gateway answers a delivery signed with the secret so."""
    signature = hmac.new(b"hush-hush", BODY, hashlib.sha256).hexdigest()
    headers = {"sentry-hook-resource": "issue", "sentry-hook-signature": signature}
    async with asyncio.timeout(30):
        while True:
            answer = await http.post("/webhooks/sentry", content=BODY, headers=headers)
            if answer.status_code == status:
                return
            await asyncio.sleep(0.1)


def test_I1_mistakes_are_one_sentence(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("DATABASE_URL", database), ("TOCSIN_ENCRYPTION_KEYS", KEYS)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TOCSIN_DATA_DIR", str(tmp_path))

    def command(*arguments: str, entered: str = "") -> tuple[int, str, str]:
        """As a process of its own would end: code, stdout, stderr."""
        settings.cache_clear()
        monkeypatch.setattr(sys, "argv", ["tocsin", "sources", "secret", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(entered.encode())))
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    def said(*arguments: str, entered: str = "") -> str:
        code, _, sentence = command(*arguments, entered=entered)
        assert code == 1
        return sentence

    assert "no source nowhere with a secret" in said("add", "-w", "w", "-s", "nowhere", entered="x\n")
    assert "no name of a workspace" in said("add", "-w", "W W", "-s", "sentry", entered="x\n")
    assert "is empty" in said("add", "-w", "w", "-s", "sentry")
    assert "whsec_ or whpk_" in said("add", "-w", "w", "-s", "standard", entered="!\n")
    for value in ("one", "two"):
        assert command("add", "-w", "rotating", "-s", "github", entered=value)[0] == 0
    assert "revoke one first" in said("add", "-w", "rotating", "-s", "github", entered="three")
    assert "live already" in said("add", "-w", "other", "-s", "github", entered="one")
    assert "No live secret" in said("revoke", "nothing")
    listed = json.loads(command("list", "--json", "-w", "rotating")[1])
    settings.cache_clear()
    assert [(row["source"], row["revoked_at"]) for row in listed] == [("github", None)] * 2
