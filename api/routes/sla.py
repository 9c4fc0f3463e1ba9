"""``GET /reports/sla`` and ``GET /sla/policy``: how the goals were kept, and what they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Request, Response

from tocsin.api.queries import attainment, export, sla_policies
from tocsin.api.queries.attainment import AttainmentQuery
from tocsin.api.queries.reader import Reader
from tocsin.api.routes.paging import JSON
from tocsin.api.ticket_service_documents import AttainmentReport, AttainmentRow, SlaPolicy
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.problems import responses

_REPORTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A row for each group that has any clock",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/AttainmentReport"}},
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


def router(reader: Reader) -> APIRouter:
    found = APIRouter(tags=["sla"])

    @found.get(
        "/reports/sla",
        operation_id="get_sla_report",
        summary="Attainment, and times to answer and to resolve",
        response_model=AttainmentReport,
        responses=_REPORTED | responses(403, 422),
    )
    async def get_report(
        query: Annotated[AttainmentQuery, Query()], request: Request, principal: ReadingPrincipal
    ) -> Response:
        now = datetime.now(UTC)
        async with reader.connection() as connection:
            rows = await attainment.attainment(connection, principal.workspace, query, now)
        if query.format == "csv" or (query.format is None and _prefers_csv(request.headers.get("accept", ""))):
            return await _as_csv(rows, query.group_by)
        since, until = (rfc3339(round_down_ms(moment.astimezone(UTC))) for moment in query.range(now))
        body = {"from": since, "to": until, "group_by": query.group_by, "items": rows}
        return Response(orjson.dumps(body), media_type=JSON)

    @found.get(
        "/sla/policy",
        operation_id="get_sla_policy",
        summary="The SLA policy that governs, and when it came into force",
        response_model=SlaPolicy,
        responses=responses(403),
    )
    async def get_policy(_request: Request, _principal: ReadingPrincipal) -> Response:
        async with reader.connection() as connection:
            return Response(orjson.dumps(await sla_policies.policy(connection)), media_type=JSON)

    return found


def _prefers_csv(accept: str) -> bool:
    """Whether text/csv is asked for before JSON; weights are not looked at, as nobody sends them here."""
    asked = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return "text/csv" in asked and (JSON not in asked or asked.index("text/csv") < asked.index(JSON))


async def _as_csv(rows: Sequence[Mapping[str, Any]], group_by: str) -> Response:
    group = {"metric": (), "priority": ("priority",), "tier": ("customer_tier",), "workflow": ("workflow",)}[group_by]
    groups = {"priority", "customer_tier", "workflow"} - set(group)
    columns = [name for name in AttainmentRow.model_fields if name not in groups]

    async def pages() -> AsyncIterator[Sequence[Any]]:
        yield rows

    text = b"".join([chunk async for chunk in export.as_csv(pages(), dict, columns)])
    headers = {"Content-Disposition": f'attachment; filename="sla-{group_by}.csv"'}
    return Response(text, headers=headers, media_type=export.MEDIA_TYPES["csv"])
