"""``tocsin sources secret``: secrets of webhook sources that belong to a workspace."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.errors import StartError

if TYPE_CHECKING:
    from tocsin.encryption import Cipher
    from tocsin.source_secrets import SourceSecret

app = typer.Typer(help="Webhook sources.", no_args_is_help=True)
secret = typer.Typer(help="Add, list and revoke secrets that bind a source to a workspace.", no_args_is_help=True)
app.add_typer(secret, name="secret")

Workspace = Annotated[str, typer.Option("--workspace", "-w", help="Workspace the deliveries then belong to.")]
Source = Annotated[str, typer.Option("--source", "-s", help="sentry, datadog, alertmanager, grafana, github, …")]


@secret.command()
def add(workspace: Workspace, source: Source) -> None:
    """Add a secret, read from the terminal without echo or from standard input; it is kept encrypted.

    For pagerduty it is the routing key, for cloudwatch the ARN of the topic. Two may be live, so that one can be
    replaced without losing a delivery; its id is printed.

    Example:  tocsin sources secret add --workspace acme --source sentry < client-secret.txt
    """
    value = typer.prompt("Secret", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    _check(workspace, source, value.strip())
    typer.echo(asyncio.run(_add(workspace, source, value.strip())))


def _check(workspace: str, source: str, value: str) -> None:
    """Raises StartError."""
    from tocsin.events.identity import WORKSPACE
    from tocsin.ingest.sources import standard_webhooks
    from tocsin.ingest.webhook_sources import BINDABLE

    if source not in BINDABLE:
        raise StartError(f"There is no source {source} with a secret; there are {', '.join(BINDABLE)}.")
    if not WORKSPACE.fullmatch(workspace):
        raise StartError(f"{workspace} is no name of a workspace.")
    if not value:
        raise StartError("The secret is empty.")
    if source == "standard" and not standard_webhooks.usable(value):
        raise StartError("The secret must be whsec_ or whpk_ followed by base64.")


async def _add(workspace: str, source: str, value: str) -> str:
    from tocsin import source_secrets
    from tocsin.cli.database import connection
    from tocsin.ingest.webhook_sources import MANY, MOST_SECRETS

    cipher = cipher_of_settings()
    encrypted = cipher.encrypt(value)
    async with connection() as opened:
        live = await source_secrets.every(opened, source=source, live=True)
        mine = [one for one in live if one.workspace == workspace]
        if source not in MANY and len(mine) >= MOST_SECRETS:
            ids = ", ".join(one.secret_id for one in mine)
            raise StartError(f"{MOST_SECRETS} secrets of {source} are live in {workspace} ({ids}); revoke one first.")
        if taken := [one for one in live if holds(cipher, one, value)]:
            raise StartError(f"This secret is live already, as {taken[0].secret_id} of {taken[0].workspace}.")
        return (await source_secrets.add(opened, workspace, source, encrypted)).secret_id


def holds(cipher: Cipher, row: SourceSecret, value: str) -> bool:
    from tocsin.encryption import CannotDecrypt

    try:
        return cipher.decrypt(row.encrypted) == value
    except CannotDecrypt:
        return False


@secret.command("list")
def list_secrets(
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Only this workspace.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array instead of a table.")] = False,
) -> None:
    """List the secrets of all sources: ids, never the secrets."""
    found = asyncio.run(_found(workspace))
    if as_json:
        typer.echo(json.dumps([_document(row) for row in found], indent=2))
    else:
        _print_table(found)


async def _found(workspace: str | None) -> Sequence[SourceSecret]:
    from tocsin import source_secrets
    from tocsin.cli.database import connection

    async with connection() as opened:
        return await source_secrets.every(opened, workspace)


def _document(row: SourceSecret) -> dict[str, Any]:
    times = {name: getattr(row, name) for name in ("created_at", "revoked_at")}
    return {
        "secret_id": row.secret_id,
        "workspace": row.workspace,
        "source": row.source,
        **{name: time and time.isoformat().replace("+00:00", "Z") for name, time in times.items()},
    }


def _print_table(found: Sequence[SourceSecret]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "workspace", "source", "created", "state")
    for row in found:
        state = f"revoked {row.revoked_at:%Y-%m-%d %H:%M}Z" if row.revoked_at else "live"
        table.add_row(row.secret_id, row.workspace, row.source, f"{row.created_at:%Y-%m-%d %H:%M}Z", state)
    Console().print(table)


@secret.command()
def revoke(secret_id: Annotated[str, typer.Argument(help="As 'tocsin sources secret list' shows it.")]) -> None:
    """End a secret at once, in every process."""
    asyncio.run(_revoke(secret_id))
    typer.echo(f"{secret_id} is revoked.")


async def _revoke(secret_id: str) -> None:
    from tocsin import source_secrets
    from tocsin.cli.database import connection

    async with connection() as opened:
        try:
            await source_secrets.revoke(opened, secret_id)
        except source_secrets.UnknownSecret:
            raise StartError(f"No live secret has the id {secret_id}.") from None


def cipher_of_settings() -> Cipher:
    from tocsin.encryption import Cipher
    from tocsin.settings import settings

    return Cipher(settings().encryption_keys.get_secret_value())
