"""``tocsin signing-secrets``: what the webhooks of a workspace are signed with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.errors import StartError

if TYPE_CHECKING:
    from tocsin.signing_secrets import SigningSecret

app = typer.Typer(help="Create, list and revoke the secrets that sign webhooks.", no_args_is_help=True)

Workspace = Annotated[str, typer.Option("--workspace", "-w", help="Workspace whose webhooks are signed.")]


@app.command()
def create(workspace: Workspace = "default") -> None:
    """Create a secret and print it, this once; every webhook is signed with all that are live.

    Two may be live: create the second, give it to the receivers, then revoke the first.

    Example:  tocsin signing-secrets create --workspace acme
    """
    from tocsin.events.identity import WORKSPACE

    if not WORKSPACE.fullmatch(workspace):
        raise StartError(f"{workspace} is no name of a workspace.")
    typer.echo(asyncio.run(_create(workspace)))


async def _create(workspace: str) -> str:
    from tocsin import signing_secrets
    from tocsin.cli.database import connection
    from tocsin.egress.signing import MOST_SECRETS
    from tocsin.encryption import Cipher
    from tocsin.settings import settings

    cipher = Cipher(settings().encryption_keys.get_secret_value())
    async with connection() as opened:
        try:
            _, text = await signing_secrets.create(opened, workspace, cipher)
        except signing_secrets.TooMany:
            live = await signing_secrets.every(opened, workspace, live=True)
            ids = ", ".join(one.secret_id for one in live)
            raise StartError(f"{MOST_SECRETS} secrets are live in {workspace} ({ids}); revoke one first.") from None
    return text


@app.command("list")
def list_secrets(
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Only this workspace.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array instead of a table.")] = False,
) -> None:
    """List the secrets: ids, never the secrets."""
    found = asyncio.run(_found(workspace))
    if as_json:
        typer.echo(json.dumps([_document(row) for row in found], indent=2))
    else:
        _print_table(found)


async def _found(workspace: str | None) -> Sequence[SigningSecret]:
    from tocsin import signing_secrets
    from tocsin.cli.database import connection

    async with connection() as opened:
        return await signing_secrets.every(opened, workspace)


def _document(row: SigningSecret) -> dict[str, Any]:
    times = {name: getattr(row, name) for name in ("created_at", "revoked_at")}
    return {
        "secret_id": row.secret_id,
        "workspace": row.workspace,
        **{name: time and time.isoformat().replace("+00:00", "Z") for name, time in times.items()},
    }


def _print_table(found: Sequence[SigningSecret]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "workspace", "created", "state")
    for row in found:
        state = f"revoked {row.revoked_at:%Y-%m-%d %H:%M}Z" if row.revoked_at else "live"
        table.add_row(row.secret_id, row.workspace, f"{row.created_at:%Y-%m-%d %H:%M}Z", state)
    Console().print(table)


@app.command()
def revoke(
    secret_id: Annotated[str, typer.Argument(help="As 'tocsin signing-secrets list' shows it.")],
    workspace: Workspace = "default",
) -> None:
    """End a secret at once: nothing is signed with it any more."""
    asyncio.run(_revoke(workspace, secret_id))
    typer.echo(f"{secret_id} is revoked.")


async def _revoke(workspace: str, secret_id: str) -> None:
    from tocsin import signing_secrets
    from tocsin.cli.database import connection

    async with connection() as opened:
        try:
            await signing_secrets.revoke(opened, workspace, secret_id)
        except signing_secrets.UnknownSecret:
            raise StartError(f"No live secret of {workspace} has the id {secret_id}.") from None
