"""``tocsin up`` and the roles it consists of."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Run")(up)
    for command in (http, ingest, api, stream, deliver, project):
        app.command(rich_help_panel="Roles")(command)


def up() -> None:
    """Run everything here: Kafka, PostgreSQL and every role, until Ctrl-C.

    Data stays below TOCSIN_DATA_DIR (.tocsin); the next start continues. With KAFKA_BOOTSTRAP_SERVERS or DATABASE_URL
    set, that server is used instead of an own one.

    Example:  API_PORT=9000 tocsin up
    """
    from rich.console import Console

    from tocsin.embedded.up import up as run_up
    from tocsin.settings import settings

    run_up(settings(), Console())


def http() -> None:
    """Ingest and API in one process, on API_PORT."""
    from tocsin.http import run

    run()


def ingest() -> None:
    """Only what takes events and commands in (POST, PATCH, DELETE)."""
    from tocsin.http import run_ingest

    run_ingest()


def api() -> None:
    """Only what answers questions (GET, streams, console)."""
    from tocsin.http import run_api

    run_api()


def stream(
    domains: Annotated[
        str, typer.Option(help="Comma-separated domains this worker owns partitions of; default: all.")
    ] = "",
) -> None:
    """Decide: a worker that owns partitions of its domains. The owner of deliveries also makes them.

    Example:  tocsin stream --domains tickets
    """
    from tocsin.errors import StartError
    from tocsin.events.topics import DOMAINS
    from tocsin.streams.worker import run

    chosen = tuple(name.strip() for name in domains.split(",") if name.strip())
    if unknown := [name for name in chosen if name not in DOMAINS]:
        raise StartError(f"There is no domain {', '.join(unknown)}; there are {', '.join(DOMAINS)}.")
    run(chosen)


def deliver() -> None:
    """Make deliveries: a worker of the deliveries domain alone, beside workers of the other domains.

    Example:  tocsin stream --domains tickets,alerts,incidents & tocsin deliver
    """
    from tocsin.events.deliveries import DOMAIN
    from tocsin.streams.worker import run

    run((DOMAIN,), role="deliver")


def project() -> None:
    """Project facts into the read models of PostgreSQL."""
    from tocsin.projections.projector import run

    run()
