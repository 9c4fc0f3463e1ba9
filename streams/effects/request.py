"""One HTTP request that is to be made, and what came of it: values, without the machinery in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tocsin.streams.domain.delivery_outcome import ErrorClass
from tocsin.streams.effects.capture import LIMIT

Method = Literal["POST", "GET"]


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """``headers``: complete, as ``headers.complete`` makes them. ``by_operator``: the URL is the configuration's own.

    ``trusted``: provably so; exactly its scheme, host and port may then be reached wherever they are.
    ``workspace``: who it is for; name lookups are shared out by it. The URL may be a secret, as Slack's are.
    ``most_bytes``: of the answer that are kept.
    """

    url: str = field(repr=False)
    body: bytes
    workspace: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: Method = "POST"
    by_operator: bool = False
    trusted: bool = False
    most_bytes: int = LIMIT


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """``started_at``: Unix ms by the caller's clock. ``detail``: a sentence when there is an error.

    ``status``: of the answer, also of one that broke off later. ``body``: its beginning as text that PostgreSQL can
    keep. ``headers``: the answer's, without secrets. ``retry_after``: seconds. ``address``: the one dialled. ``code``:
    AWS's error.
    """

    started_at: int
    duration_ms: int
    status: int | None = None
    error: ErrorClass | None = None
    detail: str = ""
    body: str = ""
    body_cut: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    retry_after: int | None = None
    address: str | None = None
    code: str = ""
