"""The host of a URL in one spelling: lower-case ASCII name without trailing dot, or an address as ipaddress writes it.

Spellings that resolvers read as IPv4 though they do not look like it (127.1, 2130706433, 0177.0.0.1, 0x7f.1) are
refused: WHATWG URL, "ends in a number". Names go through IDNA 2008 with UTS 46, which maps full-width digits first.
"""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import idna

from tocsin.egress import addresses
from tocsin.egress.addresses import Address
from tocsin.egress.refusal import Refused

MAX_NAME: Final = 253
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


def read(text: str) -> tuple[str, Address | None]:
    """The canonical host, and its address when it is one. Raises Refused."""
    if not text:
        raise Refused("host", "The URL has no host")
    if "%" in text:
        raise Refused("host", "A host has no percent sign: no encoding, and no zone of an address")
    if text.startswith("["):
        address = _bracketed(text)
        return str(address), address
    if len(text) > MAX_NAME + 1:
        raise Refused("host", f"A host name has at most {MAX_NAME} characters")
    name = _ascii(text)
    return (name, _v4(name)) if _NUMBER.fullmatch(name.rpartition(".")[2]) else (_checked(name), None)


def _bracketed(text: str) -> IPv6Address:
    address = addresses.read(text[1:-1]) if text.endswith("]") else None
    if not isinstance(address, IPv6Address):
        raise Refused("host", "The brackets do not hold an IPv6 address")
    return address


def _ascii(text: str) -> str:
    try:
        name = text if text.isascii() else idna.encode(text, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise Refused("host", "The host is no internationalised domain name") from None
    return name.lower().removesuffix(".")


def _v4(name: str) -> IPv4Address:
    """Its own spelling only; the refusal says which address another spelling means."""
    try:
        return IPv4Address(name)
    except ValueError:
        pass
    try:
        meant = str(IPv4Address(socket.inet_aton(name)))
    except (OSError, ValueError):
        raise Refused("host", "A host that ends in a number is an IPv4 address, and this is none") from None
    raise Refused("address_spelling", "An IPv4 address is written as four decimal numbers", (meant,))


def _checked(name: str) -> str:
    if len(name) > MAX_NAME:
        raise Refused("host", f"A host name has at most {MAX_NAME} characters")
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise Refused("host", "Each part of a host name has 1 to 63 letters, digits, hyphens inside, or underscores")
    return name
