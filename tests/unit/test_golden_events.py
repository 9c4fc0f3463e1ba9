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


def test_every_type_has_a_golden_file() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(TYPES)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_a_golden_record_decodes_to_the_same_value(name: str) -> None:
    text = (GOLDEN / f"{name}.json").read_text()
    decoded = msgspec.json.decode(text, type=TYPES[name])
    assert json.loads(msgspec.json.encode(decoded)) == json.loads(text)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_a_reader_ignores_fields_of_a_later_release(name: str) -> None:
    content = json.loads((GOLDEN / f"{name}.json").read_text())
    later = msgspec.json.decode(json.dumps({**content, "added_later": 1}), type=TYPES[name])
    assert later == msgspec.json.decode(json.dumps(content), type=TYPES[name])
