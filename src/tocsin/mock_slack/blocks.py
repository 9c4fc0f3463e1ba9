"""Whether Slack would accept the blocks of a message.

Source of every limit: https://docs.slack.dev/reference/block-kit/blocks and the page of each block there. Lengths are
in characters. Blocks whose insides are not judged here only need a type that messages know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

MOST_BLOCKS: Final = 50
LONGEST_ID: Final = 255
LONGEST_HEADER: Final = 150
LONGEST_TEXT: Final = 3000
LONGEST_FIELD: Final = 2000
MOST_FIELDS: Final = 10
MOST_CONTEXT_ELEMENTS: Final = 10
MOST_ACTIONS: Final = 25
LONGEST_BUTTON: Final = 75
LONGEST_URL: Final = 3000
LONGEST_ALT_TEXT: Final = 2000
LONGEST_MARKDOWN: Final = 12_000
"""Of all markdown blocks of a message together."""

Block = Mapping[str, Any]


class _Wrong(Exception):
    """``str(error)``: what is, for the sender's author."""


def mistake(blocks: Any) -> str:
    """What is wrong with them; empty when nothing is."""
    try:
        _check(blocks)
    except _Wrong as wrong:
        return str(wrong)
    return ""


def _check(blocks: Any) -> None:
    if not isinstance(blocks, list):
        raise _Wrong("blocks is no array")
    if len(blocks) > MOST_BLOCKS:
        raise _Wrong(f"{len(blocks)} blocks, at most {MOST_BLOCKS}")
    ids: set[str] = set()
    markdown = 0
    for number, block in enumerate(blocks):
        where = f"blocks[{number}]"
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(kind, str) or kind not in _CHECKS:
            raise _Wrong(f"{where}: no block of a message is a {kind!r}")
        _check_id(block, where, ids)
        _CHECKS[kind](block, where)
        markdown += len(block["text"]) if kind == "markdown" else 0
    if markdown > LONGEST_MARKDOWN:
        raise _Wrong(f"{markdown} characters of markdown, at most {LONGEST_MARKDOWN}")


def _check_id(block: Block, where: str, ids: set[str]) -> None:
    block_id = block.get("block_id")
    if block_id is None:
        return
    if not isinstance(block_id, str) or len(block_id) > LONGEST_ID or block_id in ids:
        raise _Wrong(f"{where}.block_id: a string of at most {LONGEST_ID} characters that no other block has")
    ids.add(block_id)


# --- one block ------------------------------------------------------------------------------------------------------


def _header(block: Block, where: str) -> None:
    _text_object(block.get("text"), f"{where}.text", LONGEST_HEADER, plain=True)


def _section(block: Block, where: str) -> None:
    text, fields = block.get("text"), block.get("fields")
    if text is None and fields is None:
        raise _Wrong(f"{where}: a section has text or fields")
    if text is not None:
        _text_object(text, f"{where}.text", LONGEST_TEXT)
    if fields is not None:
        for number, one in enumerate(_array(fields, f"{where}.fields", MOST_FIELDS)):
            _text_object(one, f"{where}.fields[{number}]", LONGEST_FIELD)


def _context(block: Block, where: str) -> None:
    for number, element in enumerate(_array(block.get("elements"), f"{where}.elements", MOST_CONTEXT_ELEMENTS)):
        if isinstance(element, dict) and element.get("type") == "image":
            _image(element, f"{where}.elements[{number}]")
        else:
            _text_object(element, f"{where}.elements[{number}]", LONGEST_TEXT)


def _actions(block: Block, where: str) -> None:
    for number, element in enumerate(_array(block.get("elements"), f"{where}.elements", MOST_ACTIONS)):
        at = f"{where}.elements[{number}]"
        if not isinstance(element, dict) or not isinstance(element.get("type"), str):
            raise _Wrong(f"{at}: an element has a type")
        if element["type"] == "button":
            _text_object(element.get("text"), f"{at}.text", LONGEST_BUTTON, plain=True)
            _string(element.get("url", "x"), f"{at}.url", LONGEST_URL)


def _image(block: Block, where: str) -> None:
    if ("image_url" in block) == ("slack_file" in block):
        raise _Wrong(f"{where}: an image has image_url or slack_file")
    _string(block.get("image_url", "x"), f"{where}.image_url", LONGEST_URL)
    _string(block.get("alt_text"), f"{where}.alt_text", LONGEST_ALT_TEXT)


def _markdown(block: Block, where: str) -> None:
    _string(block.get("text"), f"{where}.text", LONGEST_MARKDOWN)


def _anything(block: Block, where: str) -> None:
    """Not judged."""


_CHECKS: Final[Mapping[str, Callable[[Block, str], None]]] = {
    "actions": _actions,
    "context": _context,
    "context_actions": _anything,
    "divider": _anything,
    "file": _anything,
    "header": _header,
    "image": _image,
    "markdown": _markdown,
    "rich_text": _anything,
    "section": _section,
    "table": _anything,
    "video": _anything,
}


# --- parts ----------------------------------------------------------------------------------------------------------


def _text_object(given: Any, where: str, longest: int, *, plain: bool = False) -> None:
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if not isinstance(given, dict) or given.get("type") not in kinds:
        raise _Wrong(f"{where}: a text object of type {' or '.join(kinds)}")
    _string(given.get("text"), f"{where}.text", longest)


def _string(given: Any, where: str, longest: int) -> None:
    if not isinstance(given, str) or not 1 <= len(given) <= longest:
        raise _Wrong(f"{where}: 1 to {longest} characters")


def _array(given: Any, where: str, most: int) -> list[Any]:
    if not isinstance(given, list) or not 1 <= len(given) <= most:
        raise _Wrong(f"{where}: 1 to {most} of them")
    return given
