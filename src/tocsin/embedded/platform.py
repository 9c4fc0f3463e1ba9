"""Where the embedded run works."""

from __future__ import annotations

import platform
import sys
from typing import Final

PYTHONS: Final = ((3, 11), (3, 13))


def problem() -> str:
    """Why this machine or Python cannot run it, in one sentence; empty when it can."""
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return f"tocsin runs on Python 3.11 to 3.13; this is Python {platform.python_version()}."
    supported = sys.platform == "darwin" or (sys.platform == "linux" and platform.machine() in {"x86_64", "AMD64"})
    if not supported:
        return f"tocsin runs on Linux x86-64 and macOS; this is {platform.system()} {platform.machine()}."
    return ""
