"""Users' headers, and signatures that the receiving side of this very project accepts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.egress import signing
from tocsin.egress.headers import MOST, check_headers
from tocsin.ingest.sources import standard_webhooks
from tocsin.ingest.sources.signatures import Secret, labelled
from tocsin.ingest.sources.webhook import Delivery

KEY = bytes(range(24))
SECRET = signing.secret_text(KEY)


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "content-length", "Connection", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Keep-Alive"),
        *("Expect", "Proxy-Authorization", "Proxy-Connection", "Content-Encoding", "Accept-Encoding"),
        *("webhook-id", "Webhook-Signature", "webhook-timestamp", "webhook-anything", "X-Attempt", "x-scheduled-for"),
    ],
)
def test_J9_headers_of_the_delivery_cannot_be_set(name: str) -> None:
    assert [(one.code, one.at) for one in check_headers({name: "x"})] == [("reserved_header", name)]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"": "x"}, "header_name"),
        ({"a b": "x"}, "header_name"),
        ({"a:": "x"}, "header_name"),
        ({":authority": "x"}, "header_name"),
        ({"a\r\nb": "x"}, "header_name"),
        ({"ä": "x"}, "header_name"),
        ({"a" * 129: "x"}, "header_name"),
        ({"a": "x\r\nhost: y"}, "header_value"),
        ({"a": "x\ny"}, "header_value"),
        ({"a": "x\x00"}, "header_value"),
        ({"a": "ü"}, "header_value"),
        ({"a": " x"}, "header_value"),
        ({"a": "x\t"}, "header_value"),
        ({"a": "x" * 4097}, "header_value"),
        ({"A": "1", "a": "2"}, "repeated_header"),
        ({f"a{number}": "x" for number in range(MOST + 1)}, "too_many"),
        ({f"a{number}": "x" * 4000 for number in range(5)}, "too_long"),
    ],
)
def test_J9_a_header_that_cannot_be_sent_is_refused(headers: dict[str, str], code: str) -> None:
    assert [one.code for one in check_headers(headers)] == [code]


def test_J9_good_headers_pass_and_every_wrong_one_is_named() -> None:
    good = {"Authorization": "Bearer x", "Cookie": "a=b", "Content-Type": "text/plain", "X-Empty": ""}
    assert check_headers(good) == []
    assert [one.at for one in check_headers(good | {"Host": "x", "b": "\n"})] == ["Host", "b"]


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_J9_headers_that_pass_cannot_break_the_request(headers: dict[str, str]) -> None:
    if not check_headers(headers):
        text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        assert text.isascii()
        assert text.count("\r") == text.count("\n") == len(headers)
        assert "\0" not in text


# --- signatures -------------------------------------------------------------------------------------------------------


def delivered(signature: str, body: bytes, at: int = 1_700_000_000) -> Delivery:
    headers = {"webhook-id": "fire", "webhook-timestamp": str(at), "webhook-signature": signature}
    return Delivery(body, headers, at * 1000)


@given(st.binary(max_size=100))
def test_J9_a_signature_is_accepted_by_a_receiver(body: bytes) -> None:
    signature = signing.signature([SECRET], "fire", 1_700_000_000, body)
    [known] = labelled([SECRET], "default")
    assert standard_webhooks.verify(delivered(signature, body), [known]) == known
    assert standard_webhooks.verify(delivered(signature, body + b"x"), [known]) == "wrong"


def test_J9_during_a_rotation_both_secrets_sign() -> None:
    old, new = signing.secret_text(b"o" * 24), signing.secret_text(b"n" * 64)
    signature = signing.signature([new, old], "fire", 1_700_000_000, b"{}")
    for secret in (old, new):
        found = standard_webhooks.verify(delivered(signature, b"{}"), labelled([secret], "default"))
        assert isinstance(found, Secret)


def test_J9_the_signature_of_the_specifications_example() -> None:
    body = b'{"test": 2432232314}'
    found = signing.signature(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["", "abc", "whsec_", "whsec_!", "whsec_YWJj", signing.PREFIX + "A" * 92])
def test_J9_a_secret_that_is_none_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="signing secret") as error:
        signing.key_of(secret)
    assert secret.removeprefix(signing.PREFIX) == "" or secret not in str(error.value)


@pytest.mark.parametrize("size", [23, 65])
def test_J9_a_secret_has_24_to_64_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="24 to 64"):
        signing.secret_text(b"x" * size)


@pytest.mark.parametrize("secrets", [[], [SECRET] * 3])
def test_J9_one_or_two_secrets_sign(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="1 to 2"):
        signing.signature(secrets, "fire", 1, b"")
