"""Addresses that are no public host: the project's own table, since ``ipaddress.is_global`` lets some of them through.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries, RFC 6890 and its updates; RFC 6052 and 8215 (NAT64),
RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP); 168.63.129.16 is Azure's host agent, fd00:ec2::254 EC2's
instance metadata. Of IPv6 only 2000::/3 is given out as global unicast, so everything else is special.
"""

from __future__ import annotations

import functools
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The first range that contains an address names it.
_V4: Final = (
    ("168.63.129.16/32", "cloud metadata"),
    ("169.254.0.0/16", "link-local"),
    ("127.0.0.0/8", "loopback"),
    ("10.0.0.0/8", "private"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("100.64.0.0/10", "shared by a carrier"),
    ("0.0.0.0/8", "this host"),
    ("192.0.0.0/24", "protocol assignment"),
    ("192.0.2.0/24", "documentation"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("192.31.196.0/24", "AS112"),
    ("192.175.48.0/24", "AS112"),
    ("192.52.193.0/24", "multicast tunnel"),
    ("192.88.99.0/24", "6to4 relay"),
    ("198.18.0.0/15", "benchmarking"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
)
_V6: Final = (
    ("fd00:ec2::254/128", "cloud metadata"),
    ("fe80::/10", "link-local"),
    ("::1/128", "loopback"),
    ("::/128", "this host"),
    ("fc00::/7", "private"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("::/96", "IPv4-compatible"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "NAT64"),
    ("2002::/16", "6to4"),
    ("2001::/32", "Teredo"),
    ("2001::/23", "protocol assignment"),
    ("2001:db8::/32", "documentation"),
    ("3fff::/20", "documentation"),
    ("2620:4f:8000::/48", "AS112"),
    ("100::/64", "discard-only"),
    ("100:0:0:1::/64", "dummy prefix"),
    ("5f00::/16", "segment routing"),
)
_TABLE_4: Final = tuple((IPv4Network(text), kind) for text, kind in _V4)
_TABLE_6: Final = tuple((IPv6Network(text), kind) for text, kind in _V6)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")
# IPv4 in the low 32 bits
_LOW: Final = tuple(
    IPv6Network(text) for text in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_6TO4: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
_MASK: Final = 0xFFFF_FFFF

# Never reached through a name, even an allow-listed one: whoever answers for the name would choose them.
ONLY_BY_ADDRESS: Final = frozenset({"cloud metadata", "link-local", "this host", "multicast", "reserved"})


def read(text: str) -> Address | None:
    """An address in its own spelling: four decimal numbers, or IPv6 without a zone. None for everything else."""
    try:
        return ip_address(text) if "%" not in text else None
    except ValueError:
        return None


def network(text: str) -> Network | None:
    """A CIDR block; a single address is a block of one. None when it is neither. Raises ValueError for host bits."""
    if read(text.partition("/")[0]) is None:
        return None
    try:
        return ip_network(text)
    except ValueError:
        ip_network(text, strict=False)
        raise


@functools.lru_cache(4096)
def special(address: Address) -> str | None:
    """What the address is when it is no public host, else None. IPv4 inside IPv6 makes it special too."""
    if isinstance(address, IPv4Address):
        return next((kind for block, kind in _TABLE_4 if address in block), None)
    kind = next((kind for block, kind in _TABLE_6 if address in block), None)
    if kind is None and address not in _GLOBAL_UNICAST:
        return "not global unicast"
    return kind or next((found for inner in embedded(address) if (found := special(inner))), None)


def embedded(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses a translator or tunnel would make of it.

    Of RFC 6052's forms below 64:ff9b:1::/48 this reads the one of a /96; allow-lists name no shorter one there.
    """
    if isinstance(address, IPv4Address):
        return ()
    value = int(address)
    # :: and ::1 carry nothing
    if value > 1 and any(address in block for block in _LOW):
        return (IPv4Address(value & _MASK),)
    if address in _6TO4:
        return (IPv4Address(value >> 80 & _MASK),)
    if address in _TEREDO:
        # the server, and the client with its bits inverted
        return IPv4Address(value >> 64 & _MASK), IPv4Address(~value & _MASK)
    return (IPv4Address(value & _MASK),) if value >> 32 & _MASK in _ISATAP else ()
