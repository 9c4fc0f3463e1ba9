"""What may go wrong when something is started, said in one sentence for the person at the terminal."""

from __future__ import annotations

import errno
from pathlib import Path


class StartError(Exception):
    """Starting failed for a reason the user can mend; ``str(error)`` is one complete sentence."""


class NotRunning(StartError):
    """No address is configured and no embedded installation runs in the data directory."""


_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.ENOTDIR: "a part of the path is a file",
}


def from_os_error(error: OSError, path: Path) -> StartError:
    """The sentence for an operating-system error met while writing below ``path``."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return StartError(f"Cannot write to {error.filename or path}: {reason}.")
