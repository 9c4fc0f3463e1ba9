"""Errors on the wire: one shape, stable types, nothing leaked."""

from __future__ import annotations

from typing import Annotated, Literal

import httpx
import orjson
import pytest
from fastapi import HTTPException, Query
from pydantic import BaseModel

from tocsin.asgi import surround
from tocsin.openapi import application
from tocsin.problems import TYPE_BASE, FieldError, Problem


class Body(BaseModel):
    status: Literal["open", "done"]
    count: int = 0


def client() -> httpx.AsyncClient:
    app = application()

    @app.post("/things")
    async def create(body: Body, limit: Annotated[int, Query(le=100)] = 1) -> dict[str, int]:
        return {"count": body.count + limit}

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("postgresql://user:secret@host/db")

    @app.get("/gone")
    async def gone() -> None:
        raise HTTPException(410, "It is gone")

    return httpx.AsyncClient(transport=httpx.ASGITransport(surround(app)), base_url="http://test")


def test_a_problem_document_holds_what_is_set_and_nothing_else() -> None:
    error = FieldError("status", "enum", "status is wrong", ["open"])
    problem = Problem(409, "illegal-move", "Illegal", "no", [error], allowed=["done"], open_ticket_id=None)
    assert orjson.loads(problem.body()) == {
        "type": TYPE_BASE + "illegal-move",
        "title": "Illegal",
        "status": 409,
        "detail": "no",
        "errors": [{"field": "status", "code": "enum", "message": "status is wrong", "allowed": ["open"]}],
        "allowed": ["done"],
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "fields"),
    [
        ("/things", '{"status":"open"', 400, None),
        ("/things", '{"status":"x","count":"y"}', 422, ["status", "count"]),
        ("/things?limit=101", '{"status":"open"}', 422, ["limit"]),
        ("/things", "[]", 422, ["body"]),
        ("/things", "", 422, ["body"]),
        ("/nowhere", "{}", 404, None),
        ("/broken", "{}", 405, None),
    ],
)
async def test_errors_of_the_framework_are_problems(
    path: str, body: str, status: int, fields: list[str] | None
) -> None:
    async with client() as http:
        answer = await http.post(path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    document = answer.json()
    assert document["status"] == status
    assert document["type"].startswith(TYPE_BASE)
    assert [error["field"] for error in document.get("errors", [])] == (fields or [])
    assert answer.headers["x-request-id"]


async def test_allowed_values_of_a_field_are_listed() -> None:
    async with client() as http:
        answer = await http.post("/things", json={"status": "x"})
    assert answer.json()["errors"][0]["allowed"] == ["open", "done"]


async def test_a_bug_is_answered_with_the_correlation_id_and_nothing_of_the_exception() -> None:
    async with client() as http:
        answer = await http.get("/broken", headers={"x-request-id": "abc-1"})
    assert answer.status_code == 500
    assert answer.json()["correlation_id"] == answer.headers["x-request-id"] == "abc-1"
    assert "secret" not in answer.text


async def test_statuses_raised_by_name_keep_their_detail() -> None:
    async with client() as http:
        answer = await http.get("/gone")
    assert answer.json() == {"type": TYPE_BASE + "http-410", "title": "It is gone", "status": 410}
