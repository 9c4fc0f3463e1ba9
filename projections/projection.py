"""What a topic needs to become tables: how its records are read, and which rows they change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tocsin.projections.writes import Statement

Row = tuple[Any, ...]
Key = tuple[str, str]
"""Workspace and id."""


class Record(NamedTuple):
    """One record as it was read from the log. ``timestamp``: Unix ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Item(NamedTuple):
    """A record that could be read. ``body``: the fact or payload it carries; ``type``: its CloudEvents type."""

    record: Record
    workspace: str
    type: str
    body: Any


class Undecodable(ValueError):
    """The record is none this topic should hold; ``str(error)`` says why."""


class Rejected(NamedTuple):
    """An item that cannot be applied, and why."""

    item: Item
    reason: str


@dataclass(slots=True)
class Changes:
    """What a run of items changes: rows of bulk statements in the order of writing, and what could not be applied."""

    rows: list[tuple[Statement, list[Row]]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def no_documents(_connection: Any, _keys: Collection[Key]) -> Awaitable[Mapping[Key, str]]:
    raise LookupError("this topic answers no commands")


@dataclass(frozen=True, slots=True)
class Projection:
    """One topic.

    decode: raises Undecodable.
    read: the rows as they are before, as far as ``apply`` must know them.
    apply: pure; however a sequence of items is cut into runs, the rows come out the same.
    subject: the id of the entity a command's fact is about; documents: those entities as clients see them, JSON.
    """

    domain: str
    topic: str
    decode: Callable[[Record], Item]
    read: Callable[[Any, Sequence[Item]], Awaitable[Any]]
    apply: Callable[[Sequence[Item], Any], Changes]
    subject: Callable[[Any], str] = str
    documents: Callable[[Any, Collection[Key]], Awaitable[Mapping[Key, str]]] = no_documents
    facts: bool = True
