"""TOCSIN_EGRESS_ALLOW and the operator's own destinations: what they open, and what stays closed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.egress.given import CLOSED, accepted, refused
from tocsin.egress import addresses
from tocsin.egress.policy import parse
from tocsin.egress.urls import Destination
from tocsin.errors import StartError


def passes(allowed: str, url: str, *found: str) -> bool:
    policy = parse(allowed)
    return policy.check_addresses(found, accepted(url, policy)) is None


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1/"),
        ("127.0.0.0/8:8080", "http://127.9.9.9:8080/"),
        ("127.0.0.1:8000-8100", "http://127.0.0.1:8100/"),
        ("localhost:8080", "http://localhost:8080/"),
        ("127.0.0.1:8080", "http://localhost:8080/"),
        ("::1", "http://[::1]/"),
        ("[::1]:8080", "http://[::1]:8080/"),
        ("[fd00::/8]:8080", "http://[fd00::5]:8080/"),
        ("[fd00::]/8:8080", "http://[fd00::5]:8080/"),
        ("fd00::/8", "https://[fd00::5]/"),
        ("169.254.169.254", "http://169.254.169.254/"),
        ("example.com:8443", "https://example.com:8443/"),
        ("EXAMPLE.com.:8443", "https://example.com:8443/"),
        ("8.8.8.0/24:8080", "http://8.8.8.8:8080/"),
        (" 10.0.0.0/8 , 127.0.0.1 ,", "http://10.1.1.1/"),
        ("64:ff9b::/96", "http://[64:ff9b::808:808]/"),
        ("64:ff9b::/96,10.0.0.0/8", "http://[64:ff9b::a00:1]/"),
        ("64:ff9b:1::/96", "http://[64:ff9b:1::808:808]/"),
    ],
)
def test_J9_an_entry_opens_what_it_names(allowed: str, url: str) -> None:
    assert accepted(url, parse(allowed))
    refused(url)  # it was the entry that opened it


@pytest.mark.parametrize(
    ("allowed", "url", "code"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080/", "address"),
        ("127.0.0.1", "http://127.0.0.2/", "address"),
        ("127.0.0.1:8080", "http://127.0.0.1/", "address"),
        ("127.0.0.1:8000-8100", "http://127.0.0.1:8101/", "address"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/", "address"),
        ("127.0.0.1", "http://2130706433/", "address_spelling"),
        ("::1", "http://127.0.0.1/", "address"),
        ("localhost", "http://127.0.0.1/", "address"),
        ("example.com:8443", "https://example.com:8444/", "port"),
        ("example.com:8443", "https://www.example.com:8443/", "port"),
        ("64:ff9b::/96", "http://[64:ff9b::a9fe:a9fe]/", "address"),
        ("2002::/16", "http://[2002:7f00:1::]/", "address"),
        ("2001::/32", "http://[2001:0:808:808::5601:5601]/", "address"),
        ("::ffff:0:0/96", "http://[::ffff:127.0.0.1]/", "address"),
        ("::/0", "http://[64:ff9b:1::a9fe:a9fe]/", "address"),
        ("::/0", "http://[64:ff9b::a9fe:a9fe]/", "address"),
    ],
)
def test_J9_and_nothing_else(allowed: str, url: str, code: str) -> None:
    assert refused(url, parse(allowed)).code == code


def test_J9_a_refused_port_tells_which_are_open() -> None:
    refusal = refused("http://example.com:22/", parse("example.com:8000-8010, example.com:443"))
    assert refusal.allowed == ("80", "443", "8000-8010")


@pytest.mark.parametrize(
    ("allowed", "url", "found", "expected"),
    [
        ("", "https://example.com/", ["1.1.1.1"], True),
        ("", "https://example.com/", ["1.1.1.1", "2606:4700::1111"], True),
        ("", "https://example.com/", ["1.1.1.1", "127.0.0.1"], False),
        ("", "https://example.com/", ["127.0.0.1", "1.1.1.1"], False),
        ("", "https://example.com/", ["64:ff9b::a9fe:a9fe"], False),
        ("", "https://example.com/", ["fe80::1%eth0"], False),
        ("", "https://example.com/", ["1.1.1.1%eth0"], False),
        ("", "https://example.com/", ["nonsense"], False),
        ("", "https://example.com/", [], False),
        ("10.0.0.0/8", "https://example.com/", ["10.0.0.1", "1.1.1.1"], True),
        ("10.0.0.0/8", "https://example.com/", ["10.0.0.1", "192.168.0.1"], False),
        ("10.0.0.0/8:8080", "https://example.com:8080/", ["1.1.1.1"], False),
        ("intra.example", "http://intra.example/", ["10.0.0.1", "127.0.0.1", "fd00::1"], True),
        ("intra.example", "http://intra.example/", ["169.254.169.254"], False),
        ("intra.example", "http://intra.example/", ["fd00:ec2::254"], False),
        ("intra.example", "http://intra.example/", ["0.0.0.0"], False),
        ("intra.example", "http://intra.example/", ["64:ff9b::a9fe:a9fe"], False),
        ("intra.example", "http://other.example/", ["10.0.0.1"], False),
        ("intra.example:8080", "http://intra.example:8080/", ["1.1.1.1"], True),
        ("intra.example,169.254.0.0/16", "http://intra.example/", ["169.254.1.1"], True),
    ],
)
def test_J9_all_addresses_of_a_name_must_pass(allowed: str, url: str, found: list[str], expected: bool) -> None:
    assert passes(allowed, url, *found) is expected


def test_J9_a_refusal_does_not_tell_the_address_behind_a_name() -> None:
    refusal = CLOSED.check_addresses(["10.20.30.40"], accepted("https://example.com/"))
    assert refusal is not None
    assert "private" in refusal.message
    assert "10.20" not in refusal.message


def test_J9_the_operators_destination_is_open_to_the_operators_url_alone() -> None:
    policy = parse("", {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/", "SLACK_WEBHOOK_URL": ""})
    found = accepted("http://127.0.0.1:4566/other", policy, by_operator=True)
    assert found.trusted
    assert policy.check_address(ip_address("127.0.0.1"), found) is None
    assert refused("http://127.0.0.1:4566/", policy).code == "address"
    for url in ("https://127.0.0.1:4566/", "http://127.0.0.1:4567/", "http://127.0.0.2:4566/"):
        assert refused(url, policy, by_operator=True).code == "address"


def test_S4_a_url_that_is_provably_the_operators_opens_its_own_destination_only() -> None:
    found = CLOSED.check_url("http://127.0.0.1:8065/services/x", by_operator=True, trusted=True)
    assert isinstance(found, Destination)
    assert CLOSED.check_address(ip_address("127.0.0.1"), found) is None
    assert refused("http://127.0.0.1:8065/services/x", by_operator=True).code == "address"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("*.example.com", "wildcards"),
        ("https://example.com", "not a URL"),
        ("user@example.com", "not a URL"),
        ("10.0.0.1/8", "host bits"),
        ("10.0.0.0/33", "33"),
        ("example.com/8", "not an address block"),
        ("example.com:", "no port"),
        ("example.com:0", "1 to 65535"),
        ("example.com:65536", "1 to 65535"),
        ("example.com:90-80", "the lower one first"),
        ("example.com:80-", "no port"),
        ("example.com:http", "no port"),
        ("[::1", "bracket"),
        ("[::1]x", "brackets"),
        ("::1:80:x", "brackets"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("exa mple.com", "host name"),
        ("fe80::1%eth0", "brackets"),
        ("64:ff9b:1::/48", "/96"),
    ],
)
def test_J9_a_wrong_entry_is_refused_at_start_and_quoted(entry: str, reason: str) -> None:
    with pytest.raises(StartError) as error:
        parse(f"10.0.0.0/8, {entry}")
    assert reason in str(error.value)
    assert repr(entry) in str(error.value)
    assert "TOCSIN_EGRESS_ALLOW" in str(error.value)


def test_J9_a_wrong_operator_url_is_named_but_not_repeated() -> None:
    with pytest.raises(StartError, match="SLACK_WEBHOOK_URL") as error:
        parse("", {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/secret#x"})
    assert "secret" not in str(error.value)


@given(st.ip_addresses(), st.ip_addresses())
def test_J9_a_closed_policy_dials_public_addresses_alone(first: addresses.Address, second: addresses.Address) -> None:
    refusal = CLOSED.check_addresses([str(first), str(second)], accepted("https://example.com/"))
    assert (refusal is None) == (addresses.special(first) is None and addresses.special(second) is None)
