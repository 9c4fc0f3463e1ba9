"""How many rows of a list have which value: all facets of a filter in one statement.

A facet counts the list without its own filter, so that the other values a reader could choose are seen too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, cast, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries.listing import Listing
from tocsin.api.queries.parameters import Filter

VALUES_SHOWN: Final = 50
Conditions = Callable[[str, Any], Sequence[ColumnElement[bool]]]
Facets = Mapping[str, ColumnElement[Any]]


async def count(
    connection: AsyncConnection,
    workspace: str,
    listing: Listing,
    facets: Facets,
    conditions: Conditions,
    wanted: Filter,
) -> dict[str, list[dict[str, Any]]]:
    """``{facet: [{value, count}]}``, the most frequent values first; an empty value is null."""
    parts = []
    for name, column in facets.items():
        others = wanted.model_copy(update={name: type(wanted).model_fields[name].default})
        number = func.count().label("number")
        values = (
            select(literal(name).label("facet"), cast(column, Text).label("value"), number)
            .select_from(listing.table)
            .where(*conditions(workspace, others))
            .group_by(column)
            .order_by(number.desc(), cast(column, Text))
            .limit(VALUES_SHOWN)
        )
        parts.append(select(values.subquery()))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in facets}
    for row in await connection.execute(union_all(*parts)):
        found[row.facet].append({"value": row.value or None, "count": row.number})
    return found
