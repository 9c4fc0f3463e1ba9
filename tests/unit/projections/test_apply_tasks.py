"""Facts about tasks to rows: what each fact changes, and that batching changes nothing."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.task_story import DAY, SECOND, TOKEN, Story, poll, register, settle
from tests.unit.projections.task_log import random_log, records_of, task_id
from tocsin.projections.apply import tasks as applying
from tocsin.projections.apply.tasks import TASKS, apply
from tocsin.projections.projection import Record
from tocsin.projections.tables import task_document
from tocsin.streams.domain.task_policy import TasksPolicy


class MemoryTables:
    """The meaning of each bulk statement, said again in Python."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, Any]] = defaultdict(dict)
        self.rejected: list[str] = []

    def project(self, records: list[Record]) -> None:
        changes = apply([TASKS.decode(record) for record in records], dict(self.tables["tasks"]))
        for write, rows in changes.rows:
            for values in rows:
                self._write(write, dict(zip(write.columns, values, strict=True)))
        self.rejected += [one.reason for one in changes.rejected]

    def _write(self, write: Any, row: dict[str, Any]) -> None:
        if write is applying._TASKS:
            self.tables["tasks"][row["workspace"], row["task_id"]] = row
        elif write is applying._POLLS:
            self.tables["polls"][row["workspace"], row["task_id"], row["poll"]] = row
        else:
            counter = row["name"], row["labels"], row["partition"]
            counters = self.tables["counters"]
            counters[counter] = counters.get(counter, 0) + row["value"]


def projected(records: list[Record]) -> MemoryTables:
    tables = MemoryTables()
    tables.project(records)
    return tables


def row(story: Story) -> dict[str, Any]:
    found: dict[str, Any] = projected(records_of(story.facts)).tables["tasks"]["default", task_id(1)]
    return found


def counted(tables: MemoryTables, name: str) -> dict[str, int]:
    return {labels: value for (one, labels, _), value in tables.tables["counters"].items() if one == name}


@given(st.integers(0, 10_000), st.lists(st.integers(1, 30), min_size=1))
def test_X1_task_rows_do_not_depend_on_where_batches_end(seed: int, sizes: list[int]) -> None:
    log = random_log(12, seed)
    whole, cut = projected(log), MemoryTables()
    at = nth = 0
    while at < len(log):
        size = sizes[nth % len(sizes)]
        cut.project(log[at : at + size])
        at, nth = at + size, nth + 1
    assert cut.tables == whole.tables
    assert whole.rejected == cut.rejected == []


def test_T1_a_registered_task_has_the_columns_of_its_spec_and_no_token() -> None:
    metadata = msgspec.Raw(b'{"n":1e400}')
    found = row(
        Story().given(
            register(
                owner="ana", heartbeat_ms=60 * SECOND, metadata=metadata, poll=poll(headers={"X-Key": "sealed:v1:x"})
            )
        )
    )
    assert (found["status"], found["owner"], found["external_job_id"]) == ("PENDING", "ana", "job-7")
    assert (found["metadata"], found["heartbeat_ms"], found["attempts"]) == ('{"n":1e400}', 60_000, 0)
    assert (found["deadline"], found["next_poll"]) == ("2026-03-02T11:00:00.000Z", "2026-03-02T10:00:30.000Z")
    assert found["settled_at"] is found["outcome"] is None
    assert TOKEN not in str(found)


def test_T2_polls_have_a_row_each_and_the_task_the_last_one() -> None:
    story = Story().given(register(heartbeat_ms=120 * SECOND))
    for state in ("running", "unreadable", "completed"):
        story.wake(after=story.due_in() or 0)
        story.polled(state)
    tables = projected(records_of(story.facts))
    polls = [tables.tables["polls"]["default", task_id(1), number] for number in (1, 2, 3)]
    assert [one["verdict"] for one in polls] == ["running", "unreadable", "completed"]
    assert [one["http_status"] for one in polls] == [200, 200, 200]
    found = row(story)
    assert (found["attempts"], found["last_poll_verdict"], found["external_status"]) == (3, "completed", "COMPLETED")
    assert found["last_heartbeat_at"] is not None
    assert (found["status"], found["outcome"], found["result"]) == ("COMPLETED", "success", '{"rows":3}')
    assert (found["settled_how"], found["confirmation"], found["next_poll"]) == ("polled", "pending", None)
    assert counted(tables, "task_polls") == {
        '{"verdict":"running"}': 1,
        '{"verdict":"unreadable"}': 1,
        '{"verdict":"completed"}': 1,
    }
    assert counted(tables, "tasks_settled") == {'{"status":"COMPLETED"}': 1}


def test_T3_what_aws_said_is_beside_what_was_decided() -> None:
    story = Story().given(register(timeout_ms=0), settle("failure"))
    story.aws_says("failed", error="aws_refused", code="TaskTimedOut", detail="Task Timed Out")
    found = row(story)
    assert (found["error"], found["cause"], found["settled_by"]) == ("Broken", "disk full", "ana")
    assert (found["confirmation"], found["confirmation_code"]) == ("rejected_by_aws", "TaskTimedOut")
    tables = projected(records_of(story.facts))
    assert counted(tables, "task_settlements_concluded") == {'{"confirmation":"rejected_by_aws"}': 1}
    assert counted(tables, "tasks_registered") == {'{"deadline":"none"}': 1}


def test_a_task_that_was_forgotten_is_still_shown_and_its_token_begins_a_new_one() -> None:
    story = Story(TasksPolicy(kept_ms=DAY)).given(register(issued=True), settle())
    story.wake(after=2 * DAY)
    assert story.state is None
    assert row(story)["status"] == "COMPLETED"
    story.when(register(owner="bob", issued=True))
    found = row(story)
    assert (found["status"], found["owner"], found["result"], found["settled_at"]) == ("PENDING", "bob", None, None)


def test_X1_a_fact_about_a_task_nobody_registered_is_set_aside() -> None:
    story = Story().given(register(), settle())
    assert projected(records_of(story.facts)[1:]).rejected == [f"task {task_id(1)} was never registered"]


def test_X1_times_that_are_none_are_set_aside() -> None:
    story = Story().given(register())
    (fact,) = story.facts
    wrong = msgspec.structs.replace(fact, deadline="soon")
    assert len(projected(records_of([wrong])).rejected) == 1


def test_T9_a_document_masks_the_token_and_secret_headers() -> None:
    story = Story().given(register(poll=poll(headers={"X-Key": "sealed:v1:x", "X-Team": "ops"})), settle())
    found = row(story)
    times = {name: None for name in found if name.endswith("_at") or name in ("deadline", "heartbeat_due", "next_poll")}
    shown = task_document(found | times)
    assert (shown["task_token"], shown["token_of"]) == ("***", "aws")
    assert shown["poll"]["headers"] == {"X-Key": "***", "X-Team": "ops"}
    assert shown["poll"]["interval_seconds"] == 30
    assert b"sealed" not in orjson.dumps(shown)
