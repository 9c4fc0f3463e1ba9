"""Keyset cursors: the sort values of the last row of a page, opaque to clients."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import orjson

from tocsin.problems import FieldError, Problem, invalid


def encode(sort: str, values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([sort, *values])).rstrip(b"=").decode()


def decode(cursor: str, sort: str, types: Sequence[type]) -> list[Any]:
    """The values, in the order and types of ``encode``. Raises Problem 422 for anything else, another sort included."""
    try:
        values: list[Any]
        made_for, *values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError):
        raise _refused("the cursor is none of ours") from None
    if made_for != sort:
        raise _refused(f"the cursor was made for sort={made_for}" if isinstance(made_for, str) else "no cursor of ours")
    if len(values) != len(types) or any(type(value) is not kind for value, kind in zip(values, types, strict=True)):
        raise _refused("the cursor is none of ours")
    return values


def _refused(message: str) -> Problem:
    return invalid([FieldError("cursor", "bad_cursor", message)])
