"""Signing secrets by the command line: shown once, two live, known to whoever signs at once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tocsin import database as connections
from tocsin import signing_secrets
from tocsin.encryption import Cipher
from tocsin.streams.effects.signing_ring import SigningRing

pytestmark = pytest.mark.embedded

KEYS = Fernet.generate_key().decode()
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(database: str, tmp_path: Path) -> Command:
    environment = {
        **os.environ,
        "DATABASE_URL": database,
        "TOCSIN_ENCRYPTION_KEYS": KEYS,
        "TOCSIN_DATA_DIR": str(tmp_path / "data"),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "tocsin", "signing-secrets", *arguments]
        return subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True)

    return run


async def test_J9_two_secrets_are_live_and_change_while_running(database: str, command: Command) -> None:
    pool = await connections.pool(database, application="test", size=2)
    ring = SigningRing(pool, Cipher(KEYS))
    channels = {signing_secrets.CHANNEL: ring.changed}
    listening = asyncio.create_task(connections.listen(database, channels, ring.changed, application="test"))
    running = asyncio.create_task(ring.run())
    try:
        await asyncio.wait_for(ring.loaded.wait(), 10)
        texts = []
        for _ in range(2):
            done = await asyncio.to_thread(command, "create", "--workspace", "acme")
            assert done.returncode == 0, done.stderr
            texts.append(done.stdout.strip())
        await until(ring, texts)
        third = await asyncio.to_thread(command, "create", "--workspace", "acme")
        assert (third.returncode, third.stdout) == (1, "")
        assert "revoke one first" in third.stderr
        listed = json.loads((await asyncio.to_thread(command, "list", "--json")).stdout)
        assert [one["workspace"] for one in listed] == ["acme", "acme"]
        assert not any(text in json.dumps(listed) for text in texts)
        revoked = await asyncio.to_thread(command, "revoke", listed[0]["secret_id"], "--workspace", "acme")
        assert revoked.returncode == 0, revoked.stderr
        await until(ring, texts[1:])
        again = await asyncio.to_thread(command, "revoke", listed[0]["secret_id"], "--workspace", "acme")
        assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    finally:
        for task in (listening, running):
            task.cancel()
        await asyncio.gather(listening, running, return_exceptions=True)
        await pool.close()


async def until(ring: SigningRing, texts: list[str]) -> None:
    """NOTIFY says it; the poll would take a minute."""
    async with asyncio.timeout(5):
        while list(ring.of("acme")) != texts:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_secrets_are_kept_while_the_database_is_away() -> None:
    pool = await connections.pool("postgresql://nobody@127.0.0.1:9/none", application="test", size=1)
    ring = SigningRing(pool, Cipher(KEYS))
    assert await ring.refresh() is False
    assert not ring.loaded.is_set()
    await pool.close()


def test_a_workspace_that_cannot_be_is_refused(command: Command) -> None:
    done = command("create", "--workspace", "No Name")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no name of a workspace" in done.stderr
