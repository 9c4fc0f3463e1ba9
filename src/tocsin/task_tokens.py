"""Task tokens: how tocsin's own are made and told from others, and the id of the task that any token belongs to.

Everything here follows from ``TOCSIN_KEY_PEPPER``, so no table has to be asked: a token is known as ours by its MAC,
and the id of its task (``k_<32 hex>``) is a keyed hash, from which nobody can go back to the token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import Final

from tocsin.problems import unavailable

PREFIX: Final = "tocsin_task_"
MAX_TOKEN: Final = 2048
"""Characters. Source: AWS Step Functions API reference, taskToken."""
_TOKEN: Final = re.compile(rf"{PREFIX}([A-Za-z0-9_-]{{43}})")
_CALLBACK: Final = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})\.([A-Za-z0-9_-]{43})")
_SEED_BYTES: Final = 16
_SEPARATOR: Final = b"\x00"


class TaskTokens:
    """Of one installation. Every method raises Problem 503 when there is no pepper."""

    def __init__(self, pepper: str) -> None:
        self._pepper = pepper.encode()

    def issue(self, workspace: str, event_id: str = "") -> str:
        """A new token; with an id, the same one for the same id, so that a repeated request gets it again."""
        seed = self._mac("task token seed", workspace, event_id)[:_SEED_BYTES] if event_id else _random()
        return PREFIX + _text(seed + self._sealing(seed))

    def issued(self, token: str) -> bool:
        """Whether this installation made it; whether a task has it is another question."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return False
        value = _bytes(found[1])
        seed, sealing = value[:_SEED_BYTES], value[_SEED_BYTES:]
        return hmac.compare_digest(sealing, self._sealing(seed))

    def task_id(self, workspace: str, token: str) -> str:
        return "k_" + self._mac("task id", workspace, token)[:16].hex()

    # --- callback URLs ---

    def callback_secret(self, workspace: str, task_id: str) -> str:
        """The last part of the URL by which an outside job says how it ended; whoever has it may settle the task."""
        return f"{workspace}.{_text(self._mac('task callback', workspace, task_id))}"

    def workspace_of(self, task_id: str, callback_secret: str) -> str | None:
        """The workspace of a callback URL that is ours, else None."""
        found = _CALLBACK.fullmatch(callback_secret)
        if found is None:
            return None
        right = self.callback_secret(found[1], task_id)
        return found[1] if hmac.compare_digest(right, callback_secret) else None

    def _sealing(self, seed: bytes) -> bytes:
        return self._mac("task token", seed.hex())[:_SEED_BYTES]

    def _mac(self, purpose: str, *parts: str) -> bytes:
        if not self._pepper:
            raise unavailable("TOCSIN_KEY_PEPPER is not set; there are no tasks without it", 60)
        text = _SEPARATOR.join(part.encode() for part in (purpose, *parts))
        return hmac.digest(self._pepper, text, hashlib.sha256)


def _random() -> bytes:
    return secrets.token_bytes(_SEED_BYTES)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return b""
