"""Every released event and fact still means what it meant: golden files are only ever added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.events import alerts, deliveries, incidents, jobs, live, tasks, tickets

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
TYPES: dict[str, type[Any]] = live.EVENTS | {
    name: cls
    for domain in (tickets, alerts, incidents, jobs, deliveries, tasks)
    for registry in (domain.EVENTS, domain.FACTS)
    for name, cls in registry.items()
}


# What a type came to carry later has a file besides: ``<type>+<what>.json``.
RECORDS = sorted(path.stem for path in GOLDEN.glob("*.json"))


def type_of(record: str) -> Any:
    return TYPES[record.partition("+")[0]]


def test_every_type_has_a_golden_file() -> None:
    assert {record for record in RECORDS if "+" not in record} == set(TYPES)


@pytest.mark.parametrize("name", RECORDS)
def test_a_golden_record_decodes_to_the_same_value(name: str) -> None:
    text = (GOLDEN / f"{name}.json").read_text()
    decoded = msgspec.json.decode(text, type=type_of(name))
    assert json.loads(msgspec.json.encode(decoded)) == json.loads(text)


@pytest.mark.parametrize("name", RECORDS)
def test_a_reader_ignores_fields_of_a_later_release(name: str) -> None:
    content = json.loads((GOLDEN / f"{name}.json").read_text())
    later = msgspec.json.decode(json.dumps({**content, "added_later": 1}), type=type_of(name))
    assert later == msgspec.json.decode(json.dumps(content), type=type_of(name))
