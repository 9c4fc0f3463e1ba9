"""What governs jobs besides their own specs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

DEFAULT_MAX_JOBS: Final = 100


class JobsPolicy(msgspec.Struct, frozen=True):
    """``max_jobs``: of a workspace, neither deleted nor finished. ``tzdata``: release of the time zone rules that the
    installation has; slots computed under another one are computed again."""

    max_jobs: int = DEFAULT_MAX_JOBS
    tzdata: str = ""


def policy_of(body: Mapping[str, Any]) -> JobsPolicy:
    """Raises msgspec.ValidationError when the body is no policy of jobs."""
    return msgspec.convert(body, JobsPolicy)
