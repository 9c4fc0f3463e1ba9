"""Where a local run keeps everything: one directory, with the addresses of what runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

EXAMPLE: Final = Path(__file__).resolve().parent.parent
ROOT: Final = EXAMPLE.parent.parent
DEFAULT: Final = ROOT / ".tocsin" / "step-functions"


@dataclass(frozen=True)
class Addresses:
    """Base URLs on the loopback interface; empty where nothing runs."""

    ministack: str
    moto: str
    front: str = ""
    tocsin: str = ""


@dataclass(frozen=True)
class Place:
    directory: Path

    @property
    def scratch(self) -> Path:
        """``TMPDIR`` of the emulators: MiniStack unpacks functions there."""
        return self.directory / "tmp"

    @property
    def addresses_file(self) -> Path:
        return self.directory / "addresses.json"

    @property
    def keys_file(self) -> Path:
        """tocsin's keys for the functions; only the owner reads it."""
        return self.directory / "keys.json"

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def pid_file(self, name: str) -> Path:
        return self.directory / f"{name}.pid"

    def write(self, addresses: Addresses) -> None:
        self.addresses_file.write_text(json.dumps(asdict(addresses), indent=2) + "\n")

    def addresses(self) -> Addresses:
        """Raises FileNotFoundError when nothing was deployed here."""
        return Addresses(**json.loads(self.addresses_file.read_text()))
