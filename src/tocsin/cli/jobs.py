"""``tocsin jobs``: whether every slot had exactly one verdict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.errors import StartError

if TYPE_CHECKING:
    from tocsin.job_audit import Audited

app = typer.Typer(help="Scheduled jobs.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``audit`` a command of its own while it is the only one."""


@app.command()
def audit(
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Jobs of this workspace alone.")] = None,
    job: Annotated[str | None, typer.Option("--job", help="This job alone, by its id.")] = None,
    since: Annotated[str, typer.Option(help="How far back: a duration such as 36h or 7d.")] = "24h",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array, a member for each job.")] = False,
) -> None:
    """Compare the slots that expressions have with what was decided of each: holes, doubles, runs without a slot.

    Exit code 1 when there are any. The last minute is left out: it may still be on its way.

    Example:  tocsin jobs audit --since 7d
    """
    found = asyncio.run(_audits(workspace, job, since))
    if job is not None and not found:
        raise StartError(f"There is no job {job}.")
    if as_json:
        typer.echo(json.dumps([one.document() for one in found], ensure_ascii=False))
    else:
        _print(found)
    if any(one.findings for one in found):
        raise typer.Exit(1)


async def _audits(workspace: str | None, job: str | None, since: str) -> list[Audited]:
    from tocsin.cli.database import connection
    from tocsin.job_audit import audits
    from tocsin.policies import duration_ms

    try:
        length = duration_ms(since)
        begin = datetime.fromtimestamp(0, UTC) if length is None else datetime.now(UTC) - timedelta(milliseconds=length)
    except (ValueError, OverflowError) as error:
        raise StartError(f"--since {error}.") from error
    async with connection() as opened:
        return await audits(opened, begin, datetime.now(UTC), workspace, job)


def _print(found: Sequence[Audited]) -> None:
    for one in found:
        for finding in one.findings:
            slot = finding.slot.strftime("%Y-%m-%dT%H:%M:%SZ")
            version = f"version {finding.spec_version}"
            typer.echo(f"{one.workspace} {one.job_id} {finding.kind:6} {slot} {version}: {finding.detail}")
    slots, wrong = sum(one.slots for one in found), sum(len(one.findings) for one in found)
    typer.echo(f"{len(found)} jobs, {slots} slots decided, {wrong} wrong.")
