"""``tocsin projections``: rebuild the read models, and prove that they equal the log."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tocsin.cli.database import unreachable_is_one_sentence

app = typer.Typer(help="Rebuild and compare the read models.", no_args_is_help=True)


@app.command()
def rebuild() -> None:
    """Build every read model anew from the facts, beside the one that serves, then switch.

    Example:  tocsin projections rebuild
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from tocsin.projections.rebuild import rebuild as run
    from tocsin.settings import settings

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress, unreachable_is_one_sentence():
        task = progress.add_task("facts", total=None)
        run(
            settings().database,
            settings().kafka,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    typer.echo("The read models are rebuilt.")


@app.command()
def checksum(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Print a checksum of each read model; equal before and after a rebuild."""
    from tocsin.projections.checksum import checksums
    from tocsin.settings import settings

    with unreachable_is_one_sentence():
        found = checksums(settings().database)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, value in found.items():
        typer.echo(f"{value}  {name}")
