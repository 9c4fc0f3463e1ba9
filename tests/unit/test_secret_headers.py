"""Sealed values: only the right key opens them, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from tocsin import secret_headers
from tocsin.encryption import CannotDecrypt, Cipher

KEYS = [Fernet.generate_key().decode() for _ in range(2)]
OLD, NEW, BOTH = Cipher(KEYS[0]), Cipher(KEYS[1]), Cipher(",".join(reversed(KEYS)))


@given(st.text(max_size=50))
def test_J3_a_sealed_value_comes_back(value: str) -> None:
    sealed = secret_headers.seal(value, OLD)
    assert secret_headers.is_sealed(sealed)
    assert secret_headers.opened(sealed, OLD) == secret_headers.opened(sealed, BOTH) == value


def test_J3_another_key_or_a_changed_text_opens_nothing() -> None:
    sealed = secret_headers.seal("x", OLD)
    for broken in (sealed[:-4], sealed + "ä", f"{secret_headers.PREFIX}plain"):
        with pytest.raises(CannotDecrypt):
            secret_headers.opened(broken, OLD)
    with pytest.raises(CannotDecrypt):
        secret_headers.opened(sealed, NEW)


def test_J3_what_is_not_sealed_is_as_it_is() -> None:
    assert secret_headers.opened("plain", OLD) == "plain"


def test_J3_a_sealed_value_is_masked_under_any_name() -> None:
    assert secret_headers.masked({"X-Once-Secretive": secret_headers.seal("x", OLD)}) == {"X-Once-Secretive": "***"}
