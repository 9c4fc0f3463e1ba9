"""The table of addresses against the registries' examples, and the IPv4 addresses inside IPv6 ones."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.egress.addresses import embedded, special

SPECIAL = [
    ("0.0.0.0", "this host"),
    ("0.1.2.3", "this host"),
    ("10.255.255.255", "private"),
    ("100.64.0.1", "shared by a carrier"),
    ("100.100.100.200", "shared by a carrier"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("168.63.129.16", "cloud metadata"),
    ("169.254.169.254", "link-local"),
    ("169.254.170.2", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.9", "protocol assignment"),
    ("192.0.0.192", "protocol assignment"),
    ("192.0.2.1", "documentation"),
    ("192.31.196.1", "AS112"),
    ("192.52.193.1", "multicast tunnel"),
    ("192.88.99.1", "6to4 relay"),
    ("192.168.1.1", "private"),
    ("192.175.48.1", "AS112"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("198.51.100.7", "documentation"),
    ("203.0.113.7", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "this host"),
    ("::1", "loopback"),
    ("::7f00:1", "IPv4-compatible"),
    ("::ffff:127.0.0.1", "IPv4-mapped"),
    ("::ffff:8.8.8.8", "IPv4-mapped"),
    ("::ffff:0:7f00:1", "IPv4-translated"),
    ("64:ff9b::a9fe:a9fe", "NAT64"),
    ("64:ff9b::808:808", "NAT64"),
    ("64:ff9b:1::a9fe:a9fe", "NAT64"),
    ("64:ff9b:1:ffff::1", "NAT64"),
    ("64:ff9b:2::1", "not global unicast"),
    ("100::1", "discard-only"),
    ("100:0:0:1::1", "dummy prefix"),
    ("2001::1", "Teredo"),
    ("2001:0:5ef5:79fb:0:0:5601:5601", "Teredo"),
    ("2001:1::1", "protocol assignment"),
    ("2001:2::1", "protocol assignment"),
    ("2001:4:112::1", "protocol assignment"),
    ("2001:20::1", "protocol assignment"),
    ("2001:db8::1", "documentation"),
    ("2002:a9fe:a9fe::1", "6to4"),
    ("2002:808:808::1", "6to4"),
    ("2620:4f:8000::1", "AS112"),
    ("3fff::1", "documentation"),
    ("5f00::1", "segment routing"),
    ("4000::1", "not global unicast"),
    ("fc00::1", "private"),
    ("fd00:ec2::254", "cloud metadata"),
    ("fd12:3456::1", "private"),
    ("fe80::1", "link-local"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
    ("ffff::1", "multicast"),
    ("2a00:1450::5efe:a9fe:a9fe", "link-local"),
    ("2a00:1450::200:5efe:7f00:1", "loopback"),
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1", "172.15.255.255"]
PUBLIC += ["172.32.0.1", "168.63.129.17", "169.253.255.255", "192.0.1.1", "198.17.255.255", "198.20.0.1"]
PUBLIC += ["223.255.255.255", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::5efe:808:808"]


@pytest.mark.parametrize(("text", "kind"), SPECIAL)
def test_J9_special_addresses_are_named(text: str, kind: str) -> None:
    assert special(ip_address(text)) == kind


@pytest.mark.parametrize("text", PUBLIC)
def test_J9_their_neighbours_are_public(text: str) -> None:
    assert special(ip_address(text)) is None


@pytest.mark.parametrize("text", [text for text, _ in SPECIAL])
def test_J9_what_ipaddress_calls_private_is_special_here_too(text: str) -> None:
    assert special(ip_address(text)) is not None


@given(st.ip_addresses())
def test_J9_nothing_that_ipaddress_keeps_from_the_public_passes(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert special(address) is not None


@given(st.ip_addresses(v=4))
def test_J9_every_way_to_carry_ipv4_in_ipv6_is_seen(inner: IPv4Address) -> None:
    value = int(inner)
    carried = [(0xFFFF << 32) + value, (0xFFFF << 48) + value, (0x64FF9B << 96) + value]
    carried += [(0x64FF9B0001 << 80) + value, (0x2002 << 112) + (value << 80) + 1]
    carried += [(0x2001 << 112) + (value << 64), (0x2A00 << 112) + (0x5EFE << 32) + value]
    for number in carried:
        address = IPv6Address(number)
        assert inner in embedded(address)
        assert special(address) is not None or special(inner) is None


def test_J9_teredo_hides_its_client_by_inverting_it() -> None:
    assert IPv4Address("169.254.169.254") in embedded(IPv6Address("2001:0:808:808::5601:5601"))
