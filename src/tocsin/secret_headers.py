"""Headers of webhooks whose values are secret: encrypted where they are kept, in the clear only in the request itself.

Which they are follows from the name alone, so that whoever reads a spec knows without a mark in the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.encryption import Cipher

HIDDEN: Final = "***"
"""What is shown in place of a value; sent back, it keeps the value there is."""

_NAMES: Final = frozenset({"authorization", "cookie"})
_ENDINGS: Final = ("-key", "-token", "-secret")


def is_secret(name: str) -> bool:
    lower = name.lower()
    return lower in _NAMES or lower.endswith(_ENDINGS)


def encrypted(headers: Mapping[str, str], cipher: Cipher) -> dict[str, str]:
    """Raises StartError when there is a secret and no key."""
    return {name: cipher.encrypt(value).decode() if is_secret(name) else value for name, value in headers.items()}


def decrypted(headers: Mapping[str, str], cipher: Cipher) -> dict[str, str]:
    """Raises CannotDecrypt."""
    return {name: cipher.decrypt(value.encode()) if is_secret(name) else value for name, value in headers.items()}


def hidden(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: HIDDEN if is_secret(name) else value for name, value in headers.items()}
