"""``GET /health``, ``/health/live``, ``/health/ready``. Never keyed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from tocsin.api import documents
from tocsin.api.health import OK, Health
from tocsin.problems import Problem, responses


def router(health: Health) -> APIRouter:
    found = APIRouter(tags=["health"])

    @found.get(
        "/health",
        operation_id="get_health",
        summary="Whether PostgreSQL and Kafka can be reached",
        response_model=documents.Health,
        responses=_only(500),
    )
    async def get_health() -> dict[str, Any]:
        return await _checked(health, 500)

    @found.get(
        "/health/live",
        operation_id="get_liveness",
        summary="Whether this process answers",
        response_model=documents.Health,
        response_model_exclude_unset=True,
    )
    async def get_liveness() -> dict[str, Any]:
        return {"status": OK}

    @found.get(
        "/health/ready",
        operation_id="get_readiness",
        summary="Whether this process can do its work",
        response_model=documents.Health,
        responses=_only(503),
    )
    async def get_readiness() -> dict[str, Any]:
        return await _checked(health, 503)

    return found


def _only(status: int) -> dict[int | str, dict[str, Any]]:
    return {status: responses(status)[status]}


async def _checked(health: Health, status: int) -> dict[str, Any]:
    """Raises Problem with ``status`` that names what cannot be reached."""
    report = await health.report()
    failing = [name for name, found in report.items() if found != OK]
    if failing:
        detail = ", ".join(f"{name}: {report[name]}" for name in failing)
        headers = {"Retry-After": "2"} if status == 503 else {}
        raise Problem(
            status,
            "unhealthy",
            "A dependency cannot be reached",
            detail,
            headers=headers,
            failing=failing,
            checks=report,
        )
    return {"status": OK, "checks": report}
