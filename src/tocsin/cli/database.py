"""``tocsin migrate``, and how commands reach the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import typer

from tocsin.errors import StartError


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Administration")(migrate)


def migrate() -> None:
    """Bring the database to the newest schema. Safe to run twice, and from many machines at once."""
    from tocsin.projections.migrate import upgrade
    from tocsin.settings import settings

    with unreachable_is_one_sentence():
        upgrade(settings().database)
    typer.echo("The database schema is up to date.")


@contextmanager
def unreachable_is_one_sentence() -> Iterator[None]:
    """Turns the errors of connecting into StartError."""
    import asyncpg

    try:
        yield
    except (OSError, asyncpg.InvalidAuthorizationSpecificationError, asyncpg.CannotConnectNowError) as error:
        raise StartError(f"PostgreSQL cannot be reached: {str(error).splitlines()[0]}.") from error
    except asyncpg.UndefinedTableError as error:
        raise StartError("The database has no tocsin schema yet; run 'tocsin migrate'.") from error


@asynccontextmanager
async def connection() -> AsyncIterator[Any]:
    """One connection to the configured database. Raises StartError."""
    import asyncpg

    from tocsin.settings import settings

    with unreachable_is_one_sentence():
        opened = await asyncpg.connect(settings().database, timeout=10)
        try:
            yield opened
        finally:
            await opened.close()
