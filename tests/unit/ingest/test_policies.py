"""The re-open policy: what the file may say, and how a change travels."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from tocsin.events.tickets import PolicyActivated
from tocsin.ingest.policies import PolicyPublisher
from tocsin.ingest.publish import MemoryPublisher
from tocsin.policies import PolicyError, read_tickets_policy, version_of

HOUR = 3_600_000


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tickets.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("", {"reopen_within_ms": 24 * HOUR, "sources": {}}),
        ("reopen_within: 30m", {"reopen_within_ms": HOUR // 2, "sources": {}}),
        ("reopen_within: never", {"reopen_within_ms": None, "sources": {}}),
        (
            "reopen_within: 7d\nsources: {b: {reopen_within: 2s}, a: {reopen_within: Never}}",
            {"reopen_within_ms": 168 * HOUR, "sources": {"a": None, "b": 2000}},
        ),
    ],
)
def test_durations_become_milliseconds(tmp_path: Path, text: str, body: dict[str, Any]) -> None:
    assert read_tickets_policy(written(tmp_path, text)) == body


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("reopen_within: soon", "reopen_within"),
        ("reopen_within: 24", "reopen_within"),
        ("reopen_within: -1h", "reopen_within"),
        ("reopen_in: 24h", "reopen_in"),
        ("sources: {a: {}}", "sources.a.reopen_within"),
        ("sources: [a]", "sources"),
        ("- 1", "the file"),
        ("a: [", "not YAML"),
        ("!!python/object:os.system x", "not YAML"),
        ("x: " + "y" * 300_000, "bytes"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(PolicyError, match=named):
        read_tickets_policy(written(tmp_path, text))


def test_a_missing_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        read_tickets_policy(tmp_path / "none.yaml")


def test_equal_policies_have_one_version(tmp_path: Path) -> None:
    first = read_tickets_policy(written(tmp_path, "sources: {a: {reopen_within: 60m}, b: {reopen_within: 1h}}"))
    second = read_tickets_policy(written(tmp_path, "sources: {b: {reopen_within: 1h}, a: {reopen_within: 1h}}"))
    assert version_of(first) == version_of(second)


def published(publisher: MemoryPublisher) -> list[PolicyActivated]:
    return [msgspec.json.decode(record.value, type=PolicyActivated) for record in publisher.records]


def errors_counted() -> float:
    return REGISTRY.get_sample_value("tocsin_policy_errors_total", {"policy": "tickets"}) or 0


async def test_the_policy_goes_to_every_partition_once(tmp_path: Path) -> None:
    publisher = MemoryPublisher()
    path = written(tmp_path, "reopen_within: 1h")
    policies = PolicyPublisher(publisher, 4, path, read_tickets_policy)
    await policies.publish()
    await policies.publish()
    assert [record.partition for record in publisher.records] == [0, 1, 2, 3]
    assert {record.key for record in publisher.records} == {b"policy/tickets"}
    assert len({dict(record.headers)["ce_id"] for record in publisher.records}) == 4
    assert all(dict(record.headers)["ce_sendergiven"] == b"true" for record in publisher.records)
    assert published(publisher)[0].body == {"reopen_within_ms": HOUR, "sources": {}}


async def test_going_back_to_an_earlier_policy_is_no_duplicate_of_the_first_time(tmp_path: Path) -> None:
    policies = PolicyPublisher(MemoryPublisher(), 1, tmp_path / "x", read_tickets_policy)
    body = {"reopen_within_ms": HOUR, "sources": {}}
    first, again, later = (policies.records(body, at)[0] for at in (1, 1, 2))
    assert dict(first.headers)["ce_id"] == dict(again.headers)["ce_id"] != dict(later.headers)["ce_id"]


async def test_a_broken_file_keeps_the_policy_and_is_counted_once(tmp_path: Path) -> None:
    publisher = MemoryPublisher()
    path = written(tmp_path, "reopen_within: 1h")
    policies = PolicyPublisher(publisher, 1, path, read_tickets_policy)
    await policies.publish()
    before = errors_counted()
    replace(path, "reopen_within: soon")
    await policies.publish()
    await policies.publish()
    assert (errors_counted() - before, len(publisher.records)) == (1, 1)
    replace(path, "reopen_within: 2h")
    await policies.publish()
    assert published(publisher)[-1].body["reopen_within_ms"] == 2 * HOUR


def replace(path: Path, text: str) -> None:
    """As editors and ``mv`` do it."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


async def until(publisher: MemoryPublisher, count: int) -> None:
    async with asyncio.timeout(15):
        while len(publisher.records) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_renames_and_swapped_links_are_seen_while_running(tmp_path: Path) -> None:
    """The second is what Kubernetes does to a mounted ConfigMap."""
    for number, hours in ((1, 1), (2, 2)):
        (tmp_path / f"v{number}").mkdir()
        (tmp_path / f"v{number}" / "tickets.yaml").write_text(f"reopen_within: {hours}h")
    (tmp_path / "data").symlink_to("v1")
    path = tmp_path / "tickets.yaml"
    path.symlink_to("data/tickets.yaml")
    publisher = MemoryPublisher()
    running = asyncio.create_task(PolicyPublisher(publisher, 1, path, read_tickets_policy).run())
    try:
        await until(publisher, 1)
        (tmp_path / "data.new").symlink_to("v2")
        (tmp_path / "data.new").rename(tmp_path / "data")
        await until(publisher, 2)
        path.unlink()
        replace(path, "reopen_within: 3h")
        await until(publisher, 3)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [event.body["reopen_within_ms"] for event in published(publisher)] == [HOUR, 2 * HOUR, 3 * HOUR]
