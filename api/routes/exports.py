"""A whole list as a file that is sent while it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from fastapi.responses import StreamingResponse
from sqlalchemy.engine import RowMapping

from tocsin.api.queries import export

EXPORTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file; a connection that ends without its last chunk means that it is not whole",
        "content": {"application/json": {"schema": {"type": "array"}}, "text/csv": {"schema": {"type": "string"}}},
    }
}


async def exported(
    pages: AsyncIterator[Sequence[RowMapping]],
    name: str,
    format: str,
    document: export.Document,
    columns: Sequence[str],
) -> StreamingResponse:
    """Raises what the reader raises while the first rows are read: then there is still an answer to give."""
    chunks = export.as_csv(pages, document, columns) if format == "csv" else export.as_json(pages, document)
    first = await anext(chunks)
    return StreamingResponse(
        _with_first(first, chunks),
        headers={"Content-Disposition": f'attachment; filename="{name}.{format}"'},
        media_type=export.MEDIA_TYPES[format],
    )


async def _with_first(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
