"""JSON that is passed on without being interpreted: bounds and surgery on its text.

Values are never decoded and encoded again, so numbers of any size and ``\\u0000`` survive as they were sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from tocsin.problems import Problem, malformed

MAX_DEPTH: Final = 100
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_BRACKET: Final = re.compile(rb"[\[\]{}]")

Members = dict[str, msgspec.Raw]
_members: Final = msgspec.json.Decoder(Members)


def too_deep(text: bytes) -> bool:
    """Whether JSON is nested more than MAX_DEPTH levels. Counting brackets settles nearly every text."""
    if len(text) <= MAX_DEPTH or text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", text)):
        depth += 1 if bracket in b"{[" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def check_encoding(text: bytes) -> None:
    """Raises Problem 400 when the text is not UTF-8. Decoders look at that only where they make a string."""
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise malformed(f"The body is not UTF-8: byte {error.start} cannot be read") from None


def check_depth(text: bytes) -> None:
    """Raises Problem 400 for nesting that some reader downstream could not follow."""
    if too_deep(text):
        raise malformed(f"The body is nested more than {MAX_DEPTH} levels deep")


def members(text: bytes | msgspec.Raw) -> Members:
    """The members of an object, each still as text. Raises Problem 400 for malformed JSON, 422 for another type."""
    try:
        return _members.decode(text)
    except msgspec.ValidationError:
        raise not_an_object() from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None


def not_an_object() -> Problem:
    return Problem(422, "invalid-request", "The request is not valid", "The body must be a JSON object")


def unreadable(error: Exception) -> Problem:
    """Malformed JSON. The message of the decoder names a position and nothing of the content."""
    if isinstance(error, RecursionError):
        return malformed("The body is nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return malformed("The body is not UTF-8")
    return malformed(str(error))


def assemble(parts: Mapping[str, bytes | msgspec.Raw]) -> bytes:
    """An object from members that are already JSON text."""
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + bytes(value) for name, value in parts.items()) + b"}"


def one_line(text: bytes) -> bytes:
    """The same JSON without line breaks, so that a record is one line for every tool that prints the log."""
    return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text


def extended(context: bytes, extra: Members) -> bytes:
    """A context with further members beside its own; what it already holds is never overwritten.

    A context that is no object moves to the member ``context``; a name that is taken moves to ``reported``.
    """
    if not extra:
        return context
    if not context:
        return assemble(extra)
    if not context.startswith(b"{"):
        return assemble({"context": context, **extra})
    held = members(context)
    taken = {name: value for name, value in extra.items() if name in held}
    added: dict[str, bytes | msgspec.Raw] = {name: value for name, value in extra.items() if name not in held}
    if taken:
        added["reported" if "reported" not in held else "reported_"] = assemble(taken)
    if not held:
        return assemble(added)
    # verbatim, duplicate names included; only the closing brace gives way
    return context.rstrip()[:-1] + b"," + assemble(added)[1:]
