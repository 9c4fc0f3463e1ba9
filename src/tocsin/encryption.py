"""Encryption at rest with ``TOCSIN_ENCRYPTION_KEYS``: the first key encrypts, all decrypt, so a key can be replaced."""

from __future__ import annotations

import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tocsin.errors import StartError


class CannotDecrypt(ValueError):
    """None of the keys is the one it was encrypted with."""


class Cipher:
    """Fernet (AES-128-CBC and HMAC-SHA256): what was changed at rest does not decrypt.

    fingerprint: tells the key that encrypts from others without telling it; empty when there is none.
    """

    def __init__(self, keys: str) -> None:
        """``keys``: comma-separated, 32 bytes each in URL-safe base64. Raises StartError."""
        texts = [key.strip() for key in keys.split(",") if key.strip()]
        self.fingerprint = hashlib.sha256(texts[0].encode()).hexdigest()[:8] if texts else ""
        try:
            self._keys = [Fernet(key) for key in texts]
        except ValueError:
            raise StartError(
                "TOCSIN_ENCRYPTION_KEYS must hold keys of 32 bytes in URL-safe base64, comma-separated."
            ) from None

    def encrypt(self, text: str) -> bytes:
        """Raises StartError when there is no key."""
        if not self._keys:
            raise StartError("TOCSIN_ENCRYPTION_KEYS is not set; nothing secret can be kept without it.")
        return MultiFernet(self._keys).encrypt(text.encode())

    def decrypt(self, token: bytes) -> str:
        """Raises CannotDecrypt."""
        try:
            if self._keys:
                return MultiFernet(self._keys).decrypt(token).decode()
        except InvalidToken:
            pass
        raise CannotDecrypt("no key of TOCSIN_ENCRYPTION_KEYS decrypts it")
