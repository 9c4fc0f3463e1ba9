"""Encryption at rest, and the secrets of workspaces in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tocsin.encryption import CannotDecrypt, Cipher
from tocsin.errors import StartError
from tocsin.ingest.secret_ring import SecretRing

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    before = Cipher(OLD).encrypt("hush")
    assert Cipher(f"{NEW}, {OLD}").decrypt(before) == "hush"
    after = Cipher(f"{NEW},{OLD}").encrypt("hush")
    assert Cipher(NEW).decrypt(after) == "hush"
    assert b"hush" not in after
    for keys, token in ((NEW, before), ("", before), (OLD, after[:-2] + b"A=")):
        with pytest.raises(CannotDecrypt):
            Cipher(keys).decrypt(token)


def test_what_is_no_key_is_said_at_start() -> None:
    with pytest.raises(StartError, match="32 bytes"):
        Cipher("short")
    with pytest.raises(StartError, match="is not set"):
        Cipher("").encrypt("hush")


class _Pool:
    """The rows of ``tocsin.sources_secrets`` that are live."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.available = True

    async def fetch(self, _query: str, *_arguments: Any) -> list[dict[str, Any]]:
        if not self.available:
            raise OSError("the database is away")
        return self.rows

    def add(self, workspace: str, source: str, encrypted: bytes) -> None:
        self.rows.append(
            {
                "secret_id": f"id{len(self.rows)}",
                "workspace": workspace,
                "source": source,
                "encrypted": encrypted,
                "created_at": datetime.now(UTC),
                "revoked_at": None,
            }
        )


async def test_I1_secrets_of_workspaces_stay_while_the_database_is_away() -> None:
    pool, cipher = _Pool(), Cipher(NEW)
    ring = SecretRing(pool, cipher)
    pool.available = False
    assert (await ring.refresh(), ring.loaded) == (False, False)
    pool.available = True
    for workspace, value in (("acme", "a1"), ("acme", "a2"), ("beta", "b1")):
        pool.add(workspace, "sentry", cipher.encrypt(value))
    pool.add("acme", "github", Cipher(OLD).encrypt("lost key"))
    assert (await ring.refresh(), ring.loaded) == (True, True)
    pool.available = False
    assert not await ring.refresh()
    assert [tuple(secret) for secret in ring.of("sentry")] == [
        ("a1", "acme", "first"),
        ("a2", "acme", "second"),
        ("b1", "beta", "first"),
    ]
    assert not ring.of("github")
