"""J7: every slot has exactly one verdict; the audit finds those that have none, or two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.job_audit import Decided, Spec, audit

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
UNTIL = BEGIN + timedelta(minutes=10)


def at(minute: int) -> datetime:
    return BEGIN + timedelta(minutes=minute)


def spec(version: int = 1, cron: str | None = "* * * * *", cursor: int = 0, run_at: datetime | None = None) -> Spec:
    return Spec(version, cron, run_at, "UTC", None, "vixie", at(cursor))


def fired(*minutes: int, version: int = 1, **more: Any) -> list[Decided]:
    return [Decided(version, at(minute), "fired", **more) for minute in minutes]


def found(specs: list[Spec], decided: list[Decided], since: datetime = BEGIN) -> list[tuple[str, int, int]]:
    return [
        (one.kind, int((one.slot - BEGIN).total_seconds() // 60), one.spec_version)
        for one in audit(specs, decided, since, UNTIL)
    ]


@pytest.mark.parametrize(
    ("specs", "decided", "expected"),
    [
        ([spec()], fired(*range(1, 11)), []),
        ([spec()], [*fired(*range(1, 5)), *fired(*range(7, 11))], [("hole", 5, 1), ("hole", 6, 1)]),
        ([spec()], [*fired(*range(1, 10)), Decided(1, at(10), "skipped")], []),
        ([spec(cursor=8)], fired(9, 10), []),
        ([spec()], [*fired(8, 9, 10), Decided(1, at(7), "missed", first=at(1))], []),
        ([spec()], [*fired(8, 9, 10), Decided(1, at(7), "missed", first=at(3))], [("hole", 1, 1), ("hole", 2, 1)]),
        ([spec(), spec(2, "*/5 * * * *", cursor=3)], [*fired(1, 2, 3), *fired(5, 10, version=2)], []),
        ([spec(), spec(2, cursor=3)], [*fired(1, 2, 3, 4), *fired(*range(4, 11), version=2)], [("double", 4, 2)]),
        ([spec()], [*fired(*range(1, 10)), *fired(10, decisions=2)], [("double", 10, 1)]),
        ([spec(cron="*/5 * * * *")], fired(5, 7, 10), [("stray", 7, 1)]),
        ([spec(cron="*/5 * * * *")], [*fired(5, 10), Decided(1, at(7), "skipped")], []),
        ([spec(cron=None, run_at=at(4))], fired(4), []),
        ([spec(cron=None, run_at=at(4))], [], [("hole", 4, 1)]),
        ([spec(cron=None, run_at=at(11))], [], []),
        ([spec(cron=None, run_at=at(4))], fired(5), [("hole", 4, 1), ("stray", 5, 1)]),
        ([], [], []),
    ],
)
def test_J7_the_audit_finds_holes_doubles_and_strays(
    specs: list[Spec], decided: list[Decided], expected: list[tuple[str, int, int]]
) -> None:
    assert found(specs, decided) == expected


def test_J7_the_audit_looks_no_further_back_than_asked() -> None:
    assert found([spec()], fired(9, 10), since=at(8)) == []
