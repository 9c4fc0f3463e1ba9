"""Header values that are secret: which they are, how they are kept, and how they are shown.

A sealed value is text: the prefix, then what ``Cipher`` made of the value. Only sealed values of secret headers reach
Kafka and PostgreSQL; only the runner opens them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.encryption import CannotDecrypt, Cipher

PREFIX: Final = "sealed:v1:"
MASK: Final = "***"
"""What is answered instead of a secret; sent back, it keeps the value it stands for."""
_NAMES: Final = frozenset({"authorization", "cookie"})
_ENDINGS: Final = ("-key", "-token", "-secret")


def is_secret(name: str) -> bool:
    lower = name.lower()
    return lower in _NAMES or lower.endswith(_ENDINGS)


def is_sealed(value: str) -> bool:
    return value.startswith(PREFIX)


def seal(value: str, cipher: Cipher) -> str:
    """Another text every time. Raises StartError when there is no key."""
    return PREFIX + cipher.encrypt(value).decode("ascii")


def opened(value: str, cipher: Cipher) -> str:
    """The value as it was before ``seal``; one that is not sealed as it is. Raises CannotDecrypt."""
    if not is_sealed(value):
        return value
    token = value.removeprefix(PREFIX)
    if not token.isascii():
        raise CannotDecrypt("a sealed value is ASCII")
    return cipher.decrypt(token.encode("ascii"))


def opened_all(headers: Mapping[str, str], cipher: Cipher) -> dict[str, str]:
    """The headers as they are sent. Raises CannotDecrypt."""
    return {name: opened(value, cipher) for name, value in headers.items()}


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as clients see them."""
    return {
        name: MASK if is_secret(name) or is_sealed(value) else value  # a rule may have named it secret once
        for name, value in headers.items()
    }
