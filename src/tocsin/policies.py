"""Policy files people edit: read, checked, and normalised into the body that travels to the decide stage."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Final, Protocol, Self

import orjson
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

_DURATION: Final = re.compile(r"(\d{1,6})\s*(s|m|h|d)")
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
MAX_FILE_BYTES: Final = 256 * 1024


class PolicyError(ValueError):
    """The file is not usable; ``str(error)`` is one sentence for the person who edits it.

    problems: each thing that is wrong, by its path; none where the file as a whole is.
    """

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


def problems_of(error: PolicyError) -> tuple[str, ...]:
    """One line each."""
    return error.problems or (str(error),)


def duration_ms(value: object) -> int | None:
    """``24h`` → 86,400,000; ``never`` → None. Raises ValueError for anything else."""
    if isinstance(value, str):
        if value.strip().lower() == "never":
            return None
        if found := _DURATION.fullmatch(value.strip().lower()):
            return int(found.group(1)) * _UNITS_MS[found.group(2)]
    raise ValueError("must be a duration such as 30m, 24h or 7d, or never")


Duration = Annotated[int | None, BeforeValidator(duration_ms)]


class SourcePolicy(BaseModel):
    """What differs for failures of one source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reopen_within: Duration


class TicketsPolicyFile(BaseModel):
    """``TICKETS_CONFIG_PATH``: how a repeat of a resolved failure is treated (W6)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reopen_within: Duration = Field(86_400_000)
    sources: dict[str, SourcePolicy] = {}

    def body(self) -> dict[str, Any]:
        """The policy as the decide stage reads it; milliseconds, null = never."""
        return {
            "reopen_within_ms": self.reopen_within,
            "sources": {name: self.sources[name].reopen_within for name in sorted(self.sources)},
        }


class PolicyFile(Protocol):
    """A model of a policy file."""

    def body(self) -> dict[str, Any]: ...
    @classmethod
    def model_validate(cls, obj: Any) -> Self: ...


def read_tickets_policy(path: Path) -> dict[str, Any]:
    """The normalised body of the file. Raises PolicyError when it is missing, unreadable or wrong."""
    return read_policy(path, TicketsPolicyFile)


def read_policy(path: Path, model: type[PolicyFile]) -> dict[str, Any]:
    """The normalised body of a file of this kind. Raises PolicyError when it is missing, unreadable or wrong."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PolicyError(f"{path.name} has more than {MAX_FILE_BYTES} bytes")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return model.model_validate({} if content is None else content).body()
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path.name} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise PolicyError(f"{path.name} is not YAML: {error}") from error
    except ValidationError as error:
        wrong = tuple(problem for one in error.errors() for problem in _said(one["loc"], one["msg"]))
        raise PolicyError(f"{path.name}: {'; '.join(wrong)}", wrong) from error


def _said(location: tuple[int | str, ...], message: str) -> list[str]:
    """One problem; what a whole file gets wrong comes as lines that name their own paths."""
    lines = message.removeprefix("Value error, ").splitlines()
    return lines if len(lines) > 1 else [f"{_where(location)}: {line}" for line in lines]


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the file"


def version_of(body: dict[str, Any]) -> str:
    """The digest that names a policy: equal bodies have one version, whatever the file looked like."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
