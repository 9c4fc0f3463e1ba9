"""``tocsin keys``: API keys of a workspace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.errors import StartError

if TYPE_CHECKING:
    from tocsin.aws_keys import AwsKey
    from tocsin.keys import ApiKey

app = typer.Typer(help="Create, list, revoke and rotate API keys.", no_args_is_help=True)

Prefix = Annotated[
    str, typer.Argument(help="As 'tocsin keys list' shows it: the eight characters after tocsin_, or an access key id.")
]


@app.command()
def create(
    workspace: Annotated[str, typer.Option("--workspace", "-w", help="Workspace the key belongs to.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scopes: Annotated[
        str, typer.Option(help="Comma-separated: ingest, read, write, admin, metrics.")
    ] = "ingest,read,write",
    aws: Annotated[bool, typer.Option("--aws", help="An access key id and secret, by which AWS clients sign.")] = False,
) -> None:
    """Create a key. It alone is printed on stdout, once; it is kept nowhere.

    With --aws two lines are printed, for the environment of an AWS client; the secret is kept encrypted.

    Example:  KEY=$(tocsin keys create --workspace default --scopes ingest)
    """
    from tocsin.keys import SCOPES

    chosen = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    if unknown := [scope for scope in chosen if scope not in SCOPES]:
        raise StartError(f"There is no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}.")
    if aws:
        access_key_id, secret = asyncio.run(_create_aws(workspace, name, chosen))
        typer.echo(f"AWS_ACCESS_KEY_ID={access_key_id}\nAWS_SECRET_ACCESS_KEY={secret}")
    else:
        typer.echo(asyncio.run(_create(workspace, name, chosen)))


async def _create(workspace: str, name: str, scopes: list[str]) -> str:
    from tocsin import keys
    from tocsin.cli.database import connection

    async with connection() as opened:
        found = [scope for scope in keys.SCOPES if scope in scopes]
        return (await keys.create(opened, _pepper(), workspace, name, found))[1]


async def _create_aws(workspace: str, name: str, scopes: list[str]) -> tuple[str, str]:
    from tocsin import aws_keys, keys
    from tocsin.cli.database import connection
    from tocsin.encryption import Cipher
    from tocsin.settings import settings

    cipher = Cipher(settings().encryption_keys.get_secret_value())
    async with connection() as opened:
        found = [scope for scope in keys.SCOPES if scope in scopes]
        key, secret = await aws_keys.create(opened, cipher, workspace, name, found)
        return key.access_key_id, secret


@app.command("list")
def list_keys(
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Only this workspace.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array instead of a table.")] = False,
) -> None:
    """List keys: prefixes and access key ids, never the keys."""
    found = asyncio.run(_found(workspace))
    if as_json:
        typer.echo(json.dumps([_document(key) for key in found], indent=2))
    else:
        _print_table(found)


async def _found(workspace: str | None) -> Sequence[ApiKey | AwsKey]:
    from tocsin import aws_keys, keys
    from tocsin.cli.database import connection

    async with connection() as opened:
        return [*await keys.every(opened, workspace), *await aws_keys.every(opened, workspace)]


def _prefix(key: ApiKey | AwsKey) -> str:
    """By which it is named in commands."""
    found: str = key.access_key_id if hasattr(key, "access_key_id") else key.prefix
    return found


def _document(key: ApiKey | AwsKey) -> dict[str, Any]:
    """A key as JSON: times in RFC 3339, nothing of the secret."""
    times = {name: getattr(key, name, None) for name in ("created_at", "expires_at", "revoked_at")}
    return {
        "prefix": _prefix(key),
        "workspace": key.workspace,
        "name": key.name,
        "scopes": list(key.scopes),
        **{name: time and time.isoformat().replace("+00:00", "Z") for name, time in times.items()},
    }


def _print_table(found: Sequence[ApiKey | AwsKey]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("prefix", "workspace", "name", "scopes", "created", "state")
    for key in found:
        expires_at = getattr(key, "expires_at", None)
        ends = f"until {expires_at:%Y-%m-%d %H:%M}Z" if expires_at else "live"
        state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}Z" if key.revoked_at else ends
        created = f"{key.created_at:%Y-%m-%d %H:%M}Z"
        table.add_row(_prefix(key), key.workspace, key.name, ",".join(key.scopes), created, state)
    Console().print(table)


@app.command()
def revoke(prefix: Prefix) -> None:
    """End a key at once, in every process."""
    asyncio.run(_revoke(prefix))
    typer.echo(f"{prefix} is revoked.")


async def _revoke(prefix: str) -> None:
    from tocsin import aws_keys, keys
    from tocsin.cli.database import connection

    async with connection() as opened:
        try:
            ending = aws_keys.revoke if prefix.startswith(aws_keys.PREFIX) else keys.revoke
            await ending(opened, prefix)
        except keys.UnknownKey:
            raise StartError(f"No live key has the prefix {prefix}.") from None


@app.command()
def rotate(
    prefix: Prefix, grace_hours: Annotated[float, typer.Option(help="How long the old key still works.")] = 24
) -> None:
    """Print a successor of a key; the old one keeps working for the grace."""
    typer.echo(asyncio.run(_rotate(prefix, timedelta(hours=grace_hours))))


async def _rotate(prefix: str, grace: timedelta) -> str:
    from tocsin import keys
    from tocsin.cli.database import connection

    async with connection() as opened:
        try:
            return (await keys.rotate(opened, _pepper(), prefix, grace))[1]
        except keys.UnknownKey:
            raise StartError(f"No live key has the prefix {prefix}.") from None


def _pepper() -> str:
    from tocsin.settings import settings

    pepper = settings().key_pepper.get_secret_value()
    if not pepper:
        raise StartError("TOCSIN_KEY_PEPPER is not set; keys made without it would not be accepted.")
    return pepper
