"""``MAPPERS_CONFIG_PATH``: the mappers of ``/webhooks/generic/<mapper>``, checked when read and read when changed.

A file that breaks while running keeps the mappers that are known; the error is logged and counted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import yaml
from prometheus_client import Counter
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from tocsin.errors import StartError
from tocsin.ingest.sources.generic import IGNORED, TRANSITIONS, Mapper, Value
from tocsin.policies import MAX_FILE_BYTES, PolicyError

log = structlog.get_logger(__name__)

ERRORS: Final = Counter("tocsin_mapper_errors", "Mapper files that could not be used")
_STRICT: Final = ConfigDict(extra="forbid", frozen=True)

_Path = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


def _text(value: object) -> object:
    """YAML makes numbers and booleans of words; payloads are compared as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


_Word = Annotated[str, BeforeValidator(_text)]


class ValueFile(BaseModel):
    """``path``, a list of paths tried in order, or a mapping with ``path``, ``values`` and ``default``."""

    model_config = _STRICT

    path: tuple[_Path, ...] = ()
    values: dict[_Word, _Word] = {}
    default: _Word = ""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if isinstance(value, str | list):
            return {"path": [value] if isinstance(value, str) else value}
        if isinstance(value, dict) and isinstance(value.get("path"), str):
            return {**value, "path": [value["path"]]}
        return value

    def value(self) -> Value:
        return Value(self.path, self.values, self.default)


class TransitionFile(ValueFile):
    """A value whose words are transitions; ``ignored`` passes a payload over."""

    default: _Word = "triggered"

    @model_validator(mode="after")
    def _known_words(self) -> TransitionFile:
        allowed = {*TRANSITIONS, IGNORED}
        if unknown := sorted({*self.values.values(), self.default} - allowed - {""}):
            raise ValueError(f"{', '.join(unknown)} is no transition; there are {', '.join(sorted(allowed))}")
        return self


class MapperFile(BaseModel):
    """One mapper. ``fingerprint``: paths whose values make two payloads the same alert."""

    model_config = _STRICT

    fingerprint: Annotated[tuple[_Path, ...], Field(min_length=1)]
    title: ValueFile
    transition: TransitionFile = TransitionFile()
    source: Annotated[str, StringConstraints(max_length=100)] = ""
    items: str = ""
    delivery_id: ValueFile = ValueFile()
    message: ValueFile = ValueFile()
    severity: ValueFile = ValueFile()
    service: ValueFile = ValueFile()
    team: ValueFile = ValueFile()
    environment: ValueFile = ValueFile()
    url: ValueFile = ValueFile()
    occurred_at: ValueFile = ValueFile()
    episode: ValueFile = ValueFile()
    tags: dict[str, ValueFile] = {}

    def mapper(self, name: str) -> Mapper:
        plain: dict[str, Any] = {
            field: found.value()
            for field in type(self).model_fields
            if isinstance(found := getattr(self, field), ValueFile)
        }
        return Mapper(
            name=name,
            fingerprint=self.fingerprint,
            source=self.source or name,
            items=self.items,
            tags={tag: value.value() for tag, value in self.tags.items()},
            **plain,
        )


class MappersFile(BaseModel):
    """The whole file."""

    model_config = _STRICT

    mappers: dict[_Name, MapperFile] = {}


def read_mappers(path: Path) -> dict[str, Mapper]:
    """The mappers of the file. Raises PolicyError when it is missing, unreadable or wrong."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PolicyError(f"{path.name} has more than {MAX_FILE_BYTES} bytes")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = MappersFile.model_validate({} if content is None else content)
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path.name} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise PolicyError(f"{path.name} is not YAML: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors())
        raise PolicyError(f"{path.name}: {wrong}") from error
    return {name: file.mapper(name) for name, file in found.mappers.items()}


class Mappers:
    """The mappers of a file, read anew when it has changed. A missing file holds none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._mappers: dict[str, Mapper] = {}

    def get(self, name: str) -> Mapper | None:
        """The mapper as the file says now. One look at the file's time is cheaper than a watch."""
        try:
            self.refresh()
        except PolicyError as error:
            ERRORS.inc()
            log.error("the mapper file cannot be used; the known mappers stay", reason=str(error))
        return self._mappers.get(name)

    def refresh(self) -> None:
        """Raises PolicyError, once for each change of the file."""
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        self._mappers = {} if signature is None or self._path is None else read_mappers(self._path)

    def _signature(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ino) if found else None


def mappers(path: Path) -> Mappers:
    """As the file is at start. Raises StartError when it cannot be used."""
    found = Mappers(path)
    try:
        found.refresh()
    except PolicyError as error:
        raise StartError(f"MAPPERS_CONFIG_PATH: {error}.") from error
    return found
