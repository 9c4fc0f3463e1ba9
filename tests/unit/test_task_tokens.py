"""Tokens: known as ours by their MAC, their task by a keyed hash, their callback by a secret nobody can guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events.identity import TASK_ID
from tocsin.problems import Problem
from tocsin.task_tokens import TaskTokens

TOKENS = TaskTokens("pepper")
OTHERS = TaskTokens("another pepper")


def test_T5_an_issued_token_is_known_and_no_other() -> None:
    token = TOKENS.issue("default")
    assert TOKENS.issued(token)
    assert not OTHERS.issued(token)
    assert TOKENS.issue("default") != token
    for at in range(len(token)):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        # the last character of base64 carries bits that are not used
        assert not TOKENS.issued(changed) or at == len(token) - 1


@given(st.text())
def test_T5_any_other_text_is_none_of_ours(text: str) -> None:
    assert not TOKENS.issued(text)
    assert not TOKENS.issued(f"tocsin_task_{text}")
    assert TOKENS.workspace_of("k_" + "a" * 32, text) is None


def test_T1_the_same_request_has_the_same_token() -> None:
    assert TOKENS.issue("default", "e1") == TOKENS.issue("default", "e1")
    assert len({TOKENS.issue("default", "e1"), TOKENS.issue("other", "e1"), TOKENS.issue("default", "e2")}) == 3


def test_T1_the_id_of_a_task_follows_from_workspace_and_token() -> None:
    found = TOKENS.task_id("default", "AQC")
    assert TASK_ID.fullmatch(found)
    assert found == TOKENS.task_id("default", "AQC")
    assert (
        len({found, TOKENS.task_id("other", "AQC"), TOKENS.task_id("default", "AQD"), OTHERS.task_id("default", "AQC")})
        == 4
    )


def test_T5_a_callback_secret_opens_one_task_of_one_workspace() -> None:
    task = TOKENS.task_id("default", "AQC")
    secret = TOKENS.callback_secret("default", task)
    assert TOKENS.workspace_of(task, secret) == "default"
    assert TOKENS.workspace_of("k_" + "b" * 32, secret) is None
    assert TOKENS.workspace_of(task, secret.replace("default", "other")) is None
    assert OTHERS.workspace_of(task, secret) is None


def test_without_a_pepper_there_are_no_tasks() -> None:
    with pytest.raises(Problem) as refused:
        TaskTokens("").issue("default")
    assert refused.value.status == 503
