"""``tocsin status``: one look at a running installation."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tocsin.status import Status


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="Administration")(status)


def status(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Show what answers, how far each stage is behind, and who owns what. Exit code 1 when something does not answer.

    Example:  tocsin status --json | jq .lag
    """
    from tocsin.settings import settings
    from tocsin.status import collect

    found = asyncio.run(collect(settings()))
    if as_json:
        typer.echo(json.dumps(found.as_dict()))
    else:
        _print(found)
    if not found.healthy:
        raise typer.Exit(1)


def _print(found: Status) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("stage", "domain", "partition", "records behind", "seconds behind")
    for lag in found.lag:
        table.add_row(lag.stage, lag.domain, str(lag.partition), str(lag.records), f"{lag.seconds:.1f}")
    console = Console()
    if found.lag:
        console.print(table)
    owners = Table("worker", "host", "owns")
    for owner in found.owners:
        owned = [f"{domain} {','.join(map(str, numbers))}" for domain, numbers in owner.owns.items()]
        owners.add_row(owner.worker, owner.host, "; ".join(owned) or "nothing: it stands by")
    if found.owners:
        console.print(owners)
    console.print(f"{found.dead_letters} dead letters wait.", highlight=False)
    for problem in found.problems:
        console.print(problem, style="red", markup=False)
    if found.healthy:
        console.print("Everything answers.")
