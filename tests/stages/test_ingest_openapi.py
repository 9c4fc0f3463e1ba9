"""The OpenAPI document: complete, true to the parser, and equal to the committed snapshot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from tests.live import live_events
from tests.stages.ingest import Stage
from tocsin.api.app import Api, watching
from tocsin.api.health import Health
from tocsin.api.queries.reader import Reader
from tocsin.http import compose
from tocsin.ingest.failures import Accepted, BatchResult, ItemResult
from tocsin.ingest.routes.failures_documentation import BatchAccepted, BatchItem, FailureAccepted, FailureReport
from tocsin.ingest.sources.failure_fields import Fields

ROUTES = [
    ("/failures", "post"),
    ("/failures/batch", "post"),
    ("/tickets", "post"),
    ("/tickets/{ticket_id}", "patch"),
    ("/tickets/{ticket_id}", "delete"),
    ("/tickets/{ticket_id}/acknowledge", "post"),
    ("/tickets/{ticket_id}/snooze", "post"),
    ("/tickets/{ticket_id}/escalate", "post"),
    ("/v1/jobs", "post"),
    ("/v1/jobs/{job_id}", "patch"),
    ("/v1/jobs/{job_id}", "delete"),
    ("/v1/jobs/{job_id}/pause", "post"),
    ("/v1/jobs/{job_id}/resume", "post"),
    ("/v1/jobs/{job_id}/run", "post"),
]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    stage = Stage()
    # neither is asked anything: both connect on first use
    reader = Reader("postgresql://nobody@/nothing")
    queries = Api(reader, cast("Any", None), Health({}), live_events(), watching(reader))
    _, app = compose(stage.gateway, queries, stage.authenticator)
    return app.openapi()


def test_the_documented_models_have_the_fields_of_the_real_ones() -> None:
    for documented, real in (
        (FailureReport, Fields),
        (FailureAccepted, Accepted),
        (BatchAccepted, BatchResult),
        (BatchItem, ItemResult),
    ):
        assert set(documented.model_fields) == set(real.__struct_fields__)


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")

    def check(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(reference := node.get("$ref"), str):
                assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
            for inner in node.values():
                check(inner)
        elif isinstance(node, list):
            for inner in node:
                check(inner)

    check(document)


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_every_write_promises_its_problems_and_needs_a_key(document: dict[str, Any], path: str, method: str) -> None:
    operation = document["paths"][path][method]
    assert {"401", "403", "422", "500", "503"} <= set(operation["responses"])
    assert "application/problem+json" in operation["responses"]["422"]["content"]
    assert operation["security"]
    assert operation["operationId"]
    assert "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}


SNAPSHOT = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_snapshot_is_current(document: dict[str, Any]) -> None:
    written = orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"
    if os.environ.get("TOCSIN_WRITE_SNAPSHOTS"):
        SNAPSHOT.write_bytes(written)
    hint = "the contract changed: run this test with TOCSIN_WRITE_SNAPSHOTS=1 and review the difference"
    assert SNAPSHOT.read_bytes() == written, hint
