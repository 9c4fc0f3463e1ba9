"""Policies and URLs for the tables of this folder."""

from __future__ import annotations

from tocsin.egress.policy import EgressPolicy, parse
from tocsin.egress.refusal import Refusal
from tocsin.egress.urls import Destination

CLOSED = parse()

# every spelling leads inside
INTERNAL = [
    "127.0.0.1", "127.0.0.1.", "localhost", "LOCALHOST", "localhost.", "a.localhost", "0.0.0.0", "10.0.0.1",
    "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "168.63.129.16", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::ffff:169.254.169.254]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::a9fe:a9fe]", "[2002:a9fe:a9fe::]",
    "[2001:0:a9fe:a9fe::1]", "[fd00:ec2::254]", "[fe80::1]", "[fec0::1]", "[fc00::1]", "[ff02::1]", "[::127.0.0.1]",
    "①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "ｌｏｃａｌｈｏｓｔ",
]  # fmt: skip
# and what it means
ODD = [
    ("127.1", "127.0.0.1"),
    ("127.0.1", "127.0.0.1"),
    ("2130706433", "127.0.0.1"),
    ("0x7f000001", "127.0.0.1"),
    ("0x7f.1", "127.0.0.1"),
    ("0x7F.0.0.0x1", "127.0.0.1"),
    ("0177.0.0.1", "127.0.0.1"),
    ("017700000001", "127.0.0.1"),
    ("127.0.0.01", "127.0.0.1"),
    ("0251.0376.0251.0376", "169.254.169.254"),
    ("2852039166", "169.254.169.254"),
    ("0", "0.0.0.0"),
    ("0x8.8.8.8", "8.8.8.8"),
]


def accepted(url: str, policy: EgressPolicy = CLOSED, *, by_operator: bool = False) -> Destination:
    found = policy.check_url(url, by_operator=by_operator)
    assert isinstance(found, Destination), found
    return found


def refused(url: str, policy: EgressPolicy = CLOSED, *, by_operator: bool = False) -> Refusal:
    found = policy.check_url(url, by_operator=by_operator)
    assert isinstance(found, Refusal), found
    return found
