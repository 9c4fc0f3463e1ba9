"""What an embedded run leaves in its data directory for other processes: its addresses and its generated secrets."""

from __future__ import annotations

import json
import os
import secrets
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from tocsin.errors import NotRunning

_RUNTIME: Final = "runtime.json"
_SECRETS: Final = "secrets.json"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The addresses of a running installation, and the supervisor that keeps it."""

    kafka: str
    database: str
    url: str
    pid: int
    pid_created: float


def publish(data_dir: Path, kafka: str, database: str, url: str) -> None:
    """Tells other processes of this user where everything is; this process is the supervisor."""
    created = psutil.Process().create_time()
    _write_private(data_dir / _RUNTIME, asdict(Runtime(kafka, database, url, os.getpid(), created)))


def withdraw(data_dir: Path) -> None:
    (data_dir / _RUNTIME).unlink(missing_ok=True)


def running(data_dir: Path) -> Runtime:
    """The run in this data directory. Raises NotRunning when there is none, or its supervisor is gone."""
    try:
        found = Runtime(**json.loads((data_dir / _RUNTIME).read_text()))
        if abs(psutil.Process(found.pid).create_time() - found.pid_created) < 1:
            return found
    except (OSError, ValueError, TypeError, psutil.NoSuchProcess):
        pass
    raise NotRunning(
        f"No tocsin runs in {data_dir.absolute()}; start it with 'tocsin up', run this command in the same "
        "directory, or set KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL."
    )


def generated_secrets(data_dir: Path) -> dict[str, str]:
    """The secrets made at the first start, by the names of their settings; empty before it."""
    try:
        kept: dict[str, str] = json.loads((data_dir / _SECRETS).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return kept


def ensure_secrets(data_dir: Path) -> dict[str, str]:
    """As ``generated_secrets``; makes them when there are none. Losing the file makes every API key invalid."""
    if kept := generated_secrets(data_dir):
        return kept
    made = {
        "TOCSIN_KEY_PEPPER": secrets.token_urlsafe(32),
        "TOCSIN_ENCRYPTION_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    _write_private(data_dir / _SECRETS, made)
    return made


def _write_private(path: Path, content: object) -> None:
    """Readable by this user only, and never seen half written."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
    temporary.replace(path)
