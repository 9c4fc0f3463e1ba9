"""``poc-task-tokens`` under pollers that meet: every change is made once. DynamoDB is moto's, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from lambdas import clients, token_table
from lambdas.decisions import Settlement, Waiting, failure
from moto import mock_aws
from waiting_workflows import stacks

ROW = Waiting(
    token_id=token_table.token_id("secret"),
    task_token="secret",
    status="PENDING",
    attempts=0,
    max_attempts=3,
    interval_ms=1_000,
    deadline=60_000,
    next_poll=60_000,
)
DONE = Settlement("COMPLETED", output='{"rows": 1}')


@pytest.fixture(autouse=True)
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        clients.table.cache_clear()
        clients.client.cache_clear()
        stacks.create_tables(clients.client("dynamodb"))
        yield
    clients.table.cache_clear()
    clients.client.cache_clear()


def started() -> Waiting:
    """The row once its job has a name."""
    assert token_table.store(ROW, "execution", 0)
    token_table.name_job(ROW, "job-1", 0)
    (row,) = token_table.due(1_000, 10)
    return row


def test_a_token_is_kept_once() -> None:
    assert token_table.store(ROW, "execution", 0)
    assert not token_table.store(replace(ROW, deadline=1), "another", 5)
    (row,) = token_table.due(60_000, 10)
    assert row == ROW


def test_nothing_is_asked_before_the_job_has_a_name_but_the_deadline_holds() -> None:
    token_table.store(ROW, "execution", 0)
    assert token_table.due(59_999, 10) == []
    assert len(token_table.due(60_000, 10)) == 1


def test_of_two_pollers_one_counts_the_attempt() -> None:
    seen = started()
    first, second = token_table.claim(seen, 1_000), token_table.claim(seen, 1_001)
    assert first == replace(seen, status="POLLING", attempts=1, next_poll=2_000)
    assert second is None
    assert token_table.due(1_999, 10) == []


def test_the_end_is_decided_once_whatever_comes_after() -> None:
    row = started()
    assert token_table.settle(row.token_id, DONE, "COMPLETED", 2_000, 2_000)
    assert not token_table.settle(row.token_id, failure("TIMEOUT", "late"), "RUNNING", 3_000, 3_000)
    assert token_table.claim(row, 3_000) is None
    assert token_table.settlement_of(row.token_id) == DONE


def test_what_step_functions_has_not_heard_of_is_due_until_it_has() -> None:
    row = started()
    token_table.settle(row.token_id, DONE, "COMPLETED", 2_000, 2_000)
    (untold,) = token_table.due(2_000, 10)
    assert (untold.status, untold.task_token, untold.confirmation) == ("COMPLETED", "secret", "pending")
    token_table.conclude(row.token_id, "confirmed", "", 2_001)
    assert token_table.due(2**53, 10) == []
    (item,) = clients.client("dynamodb").scan(TableName=stacks.TOKENS)["Items"]
    assert "task_token" not in item, "a token that is of no more use is not kept"


def test_a_row_that_somebody_else_polls_is_none_of_ours() -> None:
    token_table.store(ROW, "execution", 0)
    token_table.hand_over(ROW.token_id, "job-1", "tocsin", 1)
    assert token_table.due(2**53, 10) == []


def test_the_longest_overdue_come_first_and_not_all_at_once() -> None:
    for number in range(5):
        token = f"secret {number}"
        row = replace(ROW, token_id=token_table.token_id(token), task_token=token, next_poll=100 - number)
        token_table.store(row, "execution", 0)
    assert [row.next_poll for row in token_table.due(1_000, 3)] == [96, 97, 98]
