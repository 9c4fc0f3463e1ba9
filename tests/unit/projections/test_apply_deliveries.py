"""Attempts become one row each and are counted; however a log is cut into batches, the sums are the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.unit.domain.delivery_story import START, Story, attempted, cancel, requested
from tocsin.events import deliveries as contract
from tocsin.events.deliveries import Origin
from tocsin.events.times import rfc3339
from tocsin.projections.apply.deliveries import DELIVERIES
from tocsin.projections.projection import Changes, Item, Record
from tocsin.projections.tables import job_logs

NAMES = {cls: name for name, cls in contract.FACTS.items()}
COLUMNS = [column.name for column in job_logs.columns]


def items(facts: Sequence[Any]) -> list[Item]:
    """As a projector reads them."""
    return [
        DELIVERIES.decode(
            Record(
                *(DELIVERIES.topic, 0, offset, START, b"k", msgspec.json.encode(fact)),
                [("ce_type", NAMES[type(fact)].encode()), ("ce_workspace", b"default")],
            )
        )
        for offset, fact in enumerate(facts)
    ]


def rows(changes: Changes) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in changes.rows[0][1]]


def counted(*changes: Changes) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for change in changes:
        for name, labels, _, value in change.rows[1][1]:
            if name != "decisions":
                found[(name, *json.loads(labels).values())] += value
    return found


def history() -> list[Any]:
    late = attempted(status=503, body="busy", started_at=rfc3339(START + 700))
    return Story().given(requested(), late, attempted(2), attempted(2)).facts


def test_J11_each_attempt_is_one_row() -> None:
    first, second = rows(DELIVERIES.apply(items(history()), None))
    assert (first["attempt"], first["outcome"], first["status"], first["body"]) == (1, "retry", 503, "busy")
    assert (first["lateness_ms"], first["reason"], first["error"]) == (700, "retried_status", None)
    assert first["next_attempt_at"] is not None
    assert (second["attempt"], second["outcome"], second["next_attempt_at"]) == (2, "succeeded", None)
    assert {row["run_id"] for row in (first, second)} == {"run-1"}


def test_attempts_and_the_lateness_of_first_ones_are_counted() -> None:
    assert counted(DELIVERIES.apply(items(history()), None)) == {
        ("job_attempts", "retry"): 1,
        ("job_attempts", "succeeded"): 1,
        ("job_lateness_bucket", "1"): 1,
        ("job_lateness_milliseconds",): 700,
    }


def test_however_a_log_is_cut_the_sums_are_the_same() -> None:
    every = items(history())
    whole = counted(DELIVERIES.apply(every, None))
    for cut in range(len(every)):
        assert counted(DELIVERIES.apply(every[:cut], None), DELIVERIES.apply(every[cut:], None)) == whole


def test_what_is_no_attempt_of_a_job_is_no_row() -> None:
    origin = Origin(domain="tickets", entity="t_x", run_id="r")
    facts = [
        *Story().given(requested(), cancel(), cancel()).facts,
        *Story().given(requested(origin=origin), attempted()).facts,
    ]
    assert rows(DELIVERIES.apply(items(facts), None)) == []


def test_a_time_that_is_none_is_kept_aside() -> None:
    broken = msgspec.structs.replace(history()[1], scheduled_for="soon")
    changes = DELIVERIES.apply(items([broken]), None)
    assert rows(changes) == []
    assert len(changes.rejected) == 1
