"""Terraform files as values: their blocks with plain strings, and every place an expression names something."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import hcl2

_META: Final = frozenset({"count", "for_each", "depends_on", "lifecycle", "provider", "provisioner"})
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_REFERENCE: Final = re.compile(
    r"(?<![\w.\"-])((?:data|ephemeral)\.[a-z0-9_]+\.[a-z0-9_]+|(?:var|local)\.[a-z0-9_]+|[a-z]+_[a-z0-9_]+\.[a-z0-9_]+)"
)


@dataclass(frozen=True, slots=True)
class Block:
    """``kind``: resource, data, ephemeral, variable, output. ``type`` of the first three. ``where``: the file."""

    kind: str
    type: str
    name: str
    body: Mapping[str, Any]
    where: str

    @property
    def address(self) -> str:
        prefix = {"resource": "", "variable": "var."}.get(self.kind, f"{self.kind}.")
        return prefix + (f"{self.type}.{self.name}" if self.type else self.name)


class Module:
    """One folder of ``.tf`` files."""

    def __init__(self, folder: Path) -> None:
        self.blocks: list[Block] = []
        self.locals: dict[str, Any] = {}
        self.text: dict[str, str] = {path.name: path.read_text() for path in sorted(folder.glob("*.tf"))}
        for name, text in self.text.items():
            self._read(name, hcl2.loads(text))

    def _read(self, where: str, content: Mapping[str, Any]) -> None:
        for kind in ("resource", "data", "ephemeral"):
            for entry in content.get(kind, ()):
                for type_, named in entry.items():
                    self.blocks += [Block(kind, plain(type_), plain(name), body, where) for name, body in named.items()]
        for kind in ("variable", "output"):
            for entry in content.get(kind, ()):
                self.blocks += [Block(kind, "", plain(name), body, where) for name, body in entry.items()]
        for entry in content.get("locals", ()):
            self.locals |= {name: value for name, value in entry.items() if not name.startswith("__")}

    def of(self, kind: str, type_: str = "") -> list[Block]:
        return [block for block in self.blocks if block.kind == kind and type_ in ("", block.type)]

    def the(self, address: str) -> Block:
        (found,) = (block for block in self.blocks if block.address == address)
        return found

    def defined(self) -> set[str]:
        """What expressions may name."""
        return {block.address for block in self.blocks if block.kind != "output"} | {
            f"local.{name}" for name in self.locals
        }

    def named(self) -> Iterator[tuple[str, str]]:
        """(file, what it names) of every reference."""
        for where, text in self.text.items():
            for reference in _REFERENCE.findall(_code(text)):
                if not _is_bound(reference, text):
                    yield where, reference


def plain(text: Any) -> Any:
    """A literal without its quotes; everything else as it is."""
    return text[1:-1] if isinstance(text, str) and len(text) > 1 and text[0] == text[-1] == '"' else text


def arguments(body: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Of a resource: ``name``, ``block.name``; what Terraform itself defines is left out."""
    for name, value in body.items():
        if name.startswith("__") or (not prefix and name in _META):
            continue
        if name == "dynamic":
            for entry in value:
                for block, inner in entry.items():
                    for content in inner.get("content", ()) if not block.startswith("__") else ():
                        yield from arguments(content, f"{prefix}{plain(block)}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict) and value[0].get("__is_block__"):
            for inner in value:
                yield from arguments(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def values(content: Any) -> Iterator[str]:
    """Every string in a body, nested ones too."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for name, value in content.items():
            if name != "__comments__":
                yield from values(value)
    elif isinstance(content, list):
        for value in content:
            yield from values(value)


def _code(text: str) -> str:
    """Without comments, and without literals except what they interpolate."""
    lines = [re.sub(r"(^|\s)#.*$", "", line) for line in text.splitlines()]
    return _QUOTED.sub(lambda literal: " ".join(re.findall(r"\$\{([^}]*)\}", literal[0])), "\n".join(lines))


def _is_bound(reference: str, text: str) -> bool:
    """Of an iterator: ``each.value``, or a name that a ``for`` or a dynamic block brings."""
    name = reference.partition(".")[0]
    return bool(re.search(rf"\bfor\s+(?:\w+\s*,\s*)?{name}\s+in\b|dynamic\s+\"{name}\"", text))
