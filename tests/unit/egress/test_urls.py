"""Every spelling of a destination: refused with a code, or read into one canonical form."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from tests.unit.egress.given import CLOSED, INTERNAL, ODD, accepted, refused
from tocsin.egress.refusal import Refusal
from tocsin.egress.urls import MAX_URL

WRONG = [
    ("", "url"),
    ("example.com", "url"),
    ("//example.com/", "url"),
    ("/hook", "url"),
    ("http:example.com", "url"),
    ("http:/example.com", "url"),
    ("http:///example.com", "host"),
    ("https://", "host"),
    ("https://?x", "host"),
    ("https://:443/", "host"),
    ("file:///etc/passwd", "scheme"),
    ("unix:///run/docker.sock", "scheme"),
    ("gopher://example.com/", "scheme"),
    ("ftp://example.com/", "scheme"),
    ("ws://example.com/", "scheme"),
    ("http+unix://%2Frun%2Fdocker.sock/", "scheme"),
    ("https://user@example.com/", "userinfo"),
    ("https://user:pass@example.com/", "userinfo"),
    ("https://example.com@169.254.169.254/", "userinfo"),
    ("https://example.com:443@169.254.169.254/", "userinfo"),
    ("https://169.254.169.254#@example.com/", "fragment"),
    ("https://example.com/#part", "fragment"),
    ("https://example.com/#", "fragment"),
    ("https://example.com\\@169.254.169.254/", "character"),
    ("https://exa mple.com/", "character"),
    (" https://example.com/", "character"),
    ("https://example.com/\r\nHost: x", "character"),
    ("https://example.com/\x00", "character"),
    ("https://example.com/\ud800", "character"),
    ("https://exam\u00adple.com/", "character"),
    ("https://example.com/\u202e", "character"),
    ("https://example.com:0/", "port"),
    ("https://example.com:65536/", "port"),
    ("https://example.com:/", "port"),
    ("https://example.com:080/", "port"),
    ("https://example.com:-1/", "port"),
    ("https://example.com:٨٠/", "port"),
    ("https://example.com:80:80/", "host"),
    ("https://example.com:8080/", "port"),
    ("http://example.com:22/", "port"),
    ("https://[::1", "host"),
    ("https://::1/", "host"),
    ("https://[::1]x/", "host"),
    ("https://[127.0.0.1]/", "host"),
    ("https://[v1.x]/", "host"),
    ("https://[fe80::1%25eth0]/", "host"),
    ("https://[fe80::1%eth0]/", "host"),
    ("https://%31%32%37.0.0.1/", "host"),
    ("https://example..com/", "host"),
    ("https://example.com../", "host"),
    ("https://./", "host"),
    ("https://-a.example/", "host"),
    ("https://a-.example/", "host"),
    ("https://a<b.example/", "host"),
    ("https://ex\u2100mple.com/", "host"),
    ("https://" + "a" * 64 + ".example/", "host"),
    ("https://" + "a." * 127 + "example/", "host"),
    ("https://1.2.3.4.5/", "host"),
    ("https://1.2.3.256/", "host"),
    ("https://foo.0x7f/", "host"),
    ("https://example.com/" + "a" * MAX_URL, "too_long"),
    ("https://example.com/" + "ä" * 400, "too_long"),
]  # fmt: skip


@pytest.mark.parametrize("host", INTERNAL)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_J9_an_internal_address_is_refused_in_every_spelling(scheme: str, host: str) -> None:
    assert refused(f"{scheme}://{host}/").code == "address"


@pytest.mark.parametrize(("host", "meant"), ODD)
def test_J9_an_odd_spelling_is_refused_even_of_a_public_address_and_the_right_one_is_told(
    host: str, meant: str
) -> None:
    refusal = refused(f"http://{host}/")
    assert (refusal.code, refusal.allowed) == ("address_spelling", (meant,))


@pytest.mark.parametrize(("url", "code"), WRONG)
def test_J9_what_is_wrong_with_a_url_is_told(url: str, code: str) -> None:
    refusal = refused(url)
    assert refusal.code == code
    assert refusal.message


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com.:443/A?b", "https://example.com/A?b"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("https://example.com?a=b", "https://example.com/?a=b"),
        ("https://bücher.example/ö?q=ä b".replace(" ", "+"), "https://xn--bcher-kva.example/%C3%B6?q=%C3%A4+b"),
        ("https://example.com/100%/%2F%zz", "https://example.com/100%25/%2F%25zz"),
        ("https://example.com/a/../b//c", "https://example.com/a/../b//c"),
        ('https://example.com/"<>{}|^`', "https://example.com/%22%3C%3E%7B%7D%7C%5E%60"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]/"),
        ("https://my_service.example/", "https://my_service.example/"),
        ("https://EXAMPLE。com/", "https://example.com/"),
    ],
)
def test_J9_a_good_url_has_one_form(url: str, normal: str) -> None:
    found = accepted(url)
    assert found.url == normal
    assert accepted(found.url) == found


def test_J9_the_parts_of_a_destination() -> None:
    found = accepted("https://[2606:4700::1111]:80/x?y")
    assert (found.scheme, found.host, found.port, found.target) == ("https", "2606:4700::1111", 80, "/x?y")
    assert (found.authority, found.endpoint) == ("[2606:4700::1111]:80", "https://[2606:4700::1111]:80")


ALPHABET = st.sampled_from(
    [*"htps:/.@#?[]%\\0127x-_aé。\t\r\n", "127.0.0.1", "localhost", "http://", "::1", "example.com"]
)


@given(st.one_of(st.text(), st.lists(ALPHABET, max_size=12).map(lambda parts: "http://" + "".join(parts))))
@example("http://example.com/%0d%0a")
def test_J9_any_text_is_refused_or_read_as_two_other_parsers_read_it(text: str) -> None:
    found = CLOSED.check_url(text)
    if isinstance(found, Refusal):
        return
    assert found.url.isascii()
    assert not any(ord(one) < 0x21 for one in found.url)
    split, url = urlsplit(found.url), URL(found.url, encoded=True)
    assert (split.hostname, split.port or found.port, split.username) == (found.host, found.port, None)
    assert (url.raw_host, url.port) == (found.host, found.port)
    assert accepted(found.url) == found
