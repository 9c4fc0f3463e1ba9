"""Which headers are secret, and that they come back as they were."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from tocsin.encryption import CannotDecrypt, Cipher
from tocsin.secret_headers import decrypted, encrypted, hidden, is_secret

HEADERS = {"Authorization": "Bearer abc", "x-api-KEY": "k", "X-Team": "ops"}


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *(("Authorization", True), ("COOKIE", True), ("X-Api-Key", True), ("x-token", True), ("Client-Secret", True)),
        *(("X-Team", False), ("Content-Type", False), ("Tokens", False), ("key", False)),
    ],
)
def test_a_header_is_secret_by_its_name(name: str, secret: bool) -> None:
    assert is_secret(name) is secret


def test_values_are_kept_encrypted_and_come_back() -> None:
    cipher = Cipher(Fernet.generate_key().decode())
    kept = encrypted(HEADERS, cipher)
    assert kept["X-Team"] == "ops"
    assert "abc" not in kept["Authorization"]
    assert decrypted(kept, cipher) == HEADERS
    assert hidden(kept) == {"Authorization": "***", "x-api-KEY": "***", "X-Team": "ops"}


def test_another_installation_cannot_read_them() -> None:
    kept = encrypted(HEADERS, Cipher(Fernet.generate_key().decode()))
    with pytest.raises(CannotDecrypt):
        decrypted(kept, Cipher(Fernet.generate_key().decode()))
