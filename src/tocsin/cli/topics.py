"""``tocsin topics``: creates and checks the table of topics, and prints the documents made from it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from tocsin.errors import StartError


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Administration")(topics)


def topics(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when something differs.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for Kafka.")] = 0,
    asyncapi: Annotated[bool, typer.Option("--asyncapi", help="Print the AsyncAPI 3 document.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/events.md.")] = False,
) -> None:
    """Create missing topics and set drifted settings back.

    A topic with another partition count is refused: the count is fixed when an installation is made.

    Example:  tocsin topics --check
    """
    from tocsin.events import documents

    if asyncapi:
        typer.echo(documents.asyncapi_json(), nl=False)
    elif markdown:
        typer.echo(documents.markdown(), nl=False)
    else:
        asyncio.run(_ensure(check, wait))


async def _ensure(check: bool, wait: float) -> None:
    from tocsin import broker
    from tocsin.events.topics import topics as table
    from tocsin.settings import settings

    current = settings()
    await broker.wait_until_ready(current.kafka, wait)
    wanted = table(current.events_retention_days)
    if check:
        missing, drift = await broker.compare(current.kafka, wanted, current.partitions)
        for line in (*(f"{name}: missing" for name in missing), *map(str, drift)):
            typer.echo(line)
        if missing or drift:
            raise StartError("Topics differ from the table; 'tocsin topics' creates and corrects them.")
        typer.echo(f"All {len(wanted)} topics are as they should be.")
        return
    report = await broker.ensure_topics(current.kafka, wanted, current.partitions)
    for line in (*(f"{name}: created" for name in report.created), *(f"{found}; corrected" for found in report.drift)):
        typer.echo(line)
    typer.echo(f"All {len(wanted)} topics are there.")
