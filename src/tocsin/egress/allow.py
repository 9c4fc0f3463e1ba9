"""Entries of TOCSIN_EGRESS_ALLOW: ``host|CIDR[:port|:low-high]``. Without a port: 80 and 443.

IPv6 with a port stands in brackets: ``[fd00::/8]:8080``, ``[fd00::1]:443``. A host is one name, without wildcards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tocsin.egress import addresses, hosts
from tocsin.egress.addresses import LOCAL_NAT64, Address, Network
from tocsin.egress.refusal import Refused

Ports = tuple[range, ...]

WEB_PORTS: Final[Ports] = (range(80, 81), range(443, 444))
_PORTS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_NAT64_PREFIX: Final = 96


@dataclass(frozen=True, slots=True)
class Entry:
    """``block`` or ``host``, and the ports there."""

    ports: Ports
    host: str = ""
    block: Network | None = None

    def has_port(self, port: int) -> bool:
        return any(port in ports for ports in self.ports)

    def covers(self, address: Address, port: int) -> bool:
        if self.block is None or address not in self.block or not self.has_port(port):
            return False
        # where a shorter prefix keeps the IPv4 address cannot be told, so it could not be judged
        return address not in LOCAL_NAT64 or self.block.prefixlen >= _NAT64_PREFIX


def read(text: str) -> Entry:
    """One entry. Raises ValueError with a sentence that quotes it."""
    try:
        return _read(text.strip())
    except ValueError as error:
        raise ValueError(f"{text.strip()!r}: {error}") from None


def _read(text: str) -> Entry:
    if "://" in text or "@" in text:
        raise ValueError("an entry is host|CIDR[:port|:low-high], not a URL")
    place, ports = _split(text)
    block = addresses.network(place)
    if block is None:
        return Entry(ports, host=_host(place))
    if LOCAL_NAT64.version == block.version and LOCAL_NAT64.supernet_of(block) and block.prefixlen < _NAT64_PREFIX:
        raise ValueError(f"name the /{_NAT64_PREFIX} of the translator; elsewhere IPv4 inside could not be judged")
    return Entry(ports, block=block)


def _split(text: str) -> tuple[str, Ports]:
    if text.startswith("["):
        place, closed, rest = text[1:].partition("]")
        if not closed:
            raise ValueError("a bracket is not closed")
        prefix, colon, ports = rest.partition(":")
        return place + prefix, _ports(ports) if colon else WEB_PORTS
    if text.count(":") > 1:
        return text, WEB_PORTS
    place, colon, ports = text.partition(":")
    return place, _ports(ports) if colon else WEB_PORTS


def _ports(text: str) -> Ports:
    found = _PORTS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no port and no range low-high")
    low, high = int(found[1]), int(found[2] or found[1])
    if not 1 <= low <= high <= 65_535:
        raise ValueError("ports are 1 to 65535, the lower one first")
    return (range(low, high + 1),)


def _host(text: str) -> str:
    if "*" in text:
        raise ValueError("wildcards are not supported; list each host, or a CIDR block")
    if "/" in text or ":" in text:
        raise ValueError("not an address block; IPv6 with a port stands in brackets")
    try:
        name, _ = hosts.read(text)
    except Refused as error:
        hint = f": {error.refusal.allowed[0]}" if error.refusal.allowed else ""
        raise ValueError(f"{error}{hint}") from None
    return name
