"""The printed documents are those of the code."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tocsin.events import alerts, deliveries, documents, incidents, jobs, live, tasks, tickets
from tocsin.events.topics import topics

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "data" / "golden"
TYPES = live.EVENTS | {
    name: cls
    for domain in (tickets, alerts, incidents, jobs, deliveries, tasks)
    for registry in (domain.EVENTS, domain.FACTS)
    for name, cls in registry.items()
}
REMEDY = "the events changed: run 'make docs' and look at the difference"


def test_docs_events_is_current() -> None:
    assert (ROOT / "docs" / "events.md").read_text() == documents.markdown(), REMEDY


def test_docs_asyncapi_is_current() -> None:
    assert (ROOT / "docs" / "asyncapi.json").read_text() == documents.asyncapi_json(), REMEDY


def test_asyncapi_names_every_topic_and_every_type() -> None:
    document = documents.asyncapi()
    assert set(document["channels"]) == {topic.name for topic in topics()}
    assert set(document["components"]["messages"]) == set(TYPES)


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.json")))
def test_golden_records_are_valid_by_the_published_schema(name: str) -> None:
    document = documents.asyncapi()
    cls = TYPES[name.partition("+")[0]]
    schema = {**document, "$ref": f"#/components/schemas/{cls.__name__}"}
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(golden)) == []
