"""Why a URL, an address or a header is not accepted: the parts of one entry of a problem's ``errors``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """A stable code, a sentence, and what would be right. ``at``: the part that is wrong, below the caller's field."""

    code: str
    message: str
    allowed: tuple[str, ...] | None = None
    at: str = ""


class Refused(ValueError):
    """Carries a refusal out of a parser; the functions that others call return it instead."""

    def __init__(self, code: str, message: str, allowed: tuple[str, ...] | None = None) -> None:
        super().__init__(message)
        self.refusal = Refusal(code, message, allowed)
