"""``tocsin dlq``: what could not be decided, and its way back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.errors import StartError

if TYPE_CHECKING:
    from tocsin.dead_letters import DeadLetter, Returned

app = typer.Typer(help="List, show and replay records that could not be decided.", no_args_is_help=True)

Domain = Annotated[str, typer.Option(help="Only this domain; default: all.")]
Position = Annotated[str, typer.Argument(help="partition:offset in the dead-letter queue, as 'tocsin dlq list' shows.")]


@app.command("list")
def list_letters(
    domain: Domain = "",
    everything: Annotated[bool, typer.Option("--all", help="Replayed ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List records waiting in the dead-letter queues.

    Example:  tocsin dlq list --domain tickets
    """
    from rich.console import Console
    from rich.table import Table

    found = [letter for letter in _read(domain) if everything or not letter.replayed]
    if as_json:
        for letter in found:
            typer.echo(json.dumps(_described(letter)))
        return
    if not found:
        typer.echo("No record waits in the dead-letter queues.")
        return
    table = Table("topic", "position", "since", "reason", "detail", "type", "key", "replayed")
    for letter in found:
        row = _described(letter)
        columns = ("topic", "position", "at", "reason", "detail", "type", "key")
        table.add_row(*(str(row[name]) for name in columns), "yes" if letter.replayed else "")
    Console().print(table)


@app.command()
def show(position: Position, domain: Domain = "") -> None:
    """Show one record: where it came from, why it is here, its headers and its value.

    Example:  tocsin dlq show 2:17 --domain tickets
    """
    letter = _one(position, domain)
    typer.echo(f"{letter.record.topic} {letter.position}  key {_text(letter.record.key)}")
    for name, value in letter.record.headers:
        typer.echo(f"  {name}: {_text(value)}")
    typer.echo(_text(letter.record.value))


@app.command()
def replay(
    domain: Domain = "",
    offset: Annotated[str, typer.Option(help="Only the record at partition:offset.")] = "",
    value_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Send this value instead (with --offset).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
) -> None:
    """Send records back to the topic and partition they came from; each is sent once.

    Webhooks that could not be read go through their parser or mapper again.

    Examples:  tocsin dlq replay --dry-run

               tocsin dlq replay --domain tickets --offset 2:17 --value-file repaired.json
    """
    if value_file is not None and not offset:
        raise StartError("--value-file repairs one record; name it with --offset partition:offset.")
    letters = [_one(offset, domain)] if offset else _waiting(domain)
    if dry_run:
        for letter in letters:
            target = f"{letter.header('dlq.topic')} partition {letter.header('dlq.partition')}"
            if letter.webhook:
                target = f"{letter.header('dlq.topic')}, read again"
            typer.echo(f"{letter.record.topic} {letter.position} -> {target}  ({letter.header('dlq.reason')})")
        typer.echo(f"{len(letters)} records would be sent.")
        return
    value = value_file.read_bytes() if value_file else None
    typer.echo(f"{_send(letters, value)} records were sent.")


def _waiting(domain: str) -> list[DeadLetter]:
    """Those not replayed yet, without those that could not go: they need a value, or another mapper, first."""
    found = []
    for letter in _read(domain):
        if letter.replayed:
            continue
        if reason := _obstacle(letter):
            typer.echo(f"{letter.record.topic} {letter.position} {reason}; left out.")
        else:
            found.append(letter)
    return found


def _obstacle(letter: DeadLetter) -> str:
    """Why a letter cannot go back as it is; empty when it can."""
    if letter.omitted:
        return f"is not whole ({letter.omitted} too large)"
    return _still_unreadable(letter)


def _still_unreadable(letter: DeadLetter) -> str:
    from tocsin.ingest.sources.webhook import Unreadable

    try:
        if letter.webhook:
            _as_read_now(letter, letter.record.value or b"")
    except Unreadable as error:
        return f"still cannot be read: {error}"
    return ""


def _read_again(letter: DeadLetter, body: bytes) -> Sequence[Returned]:
    """A webhook as its parser or mapper reads it now. Raises StartError."""
    from tocsin.ingest.sources.webhook import Unreadable

    try:
        return _as_read_now(letter, body)
    except Unreadable as error:
        raise StartError(f"The record {letter.position} still cannot be read: {error}.") from error


def _as_read_now(letter: DeadLetter, body: bytes) -> Sequence[Returned]:
    from tocsin.dead_letters import Returned
    from tocsin.ingest.mappers import mappers
    from tocsin.ingest.quarantine import read_again
    from tocsin.settings import settings

    current = settings()
    headers = {name: value.decode(errors="replace") for name, value in letter.record.headers if value is not None}
    mapper_of = mappers(current.mappers_config_path).get
    records = read_again(headers, body, letter.position, mapper_of, current.partitions)
    return [Returned(*record) for record in records]


def _send(letters: list[DeadLetter], value: bytes | None) -> int:
    from tocsin import dead_letters
    from tocsin.settings import settings

    current = settings()
    if not letters:
        return 0
    return asyncio.run(dead_letters.replay(current.kafka, current.installation, letters, value, _read_again))


def _read(domain: str) -> list[DeadLetter]:
    from tocsin import dead_letters
    from tocsin.events.topics import DOMAINS
    from tocsin.settings import settings

    if domain and domain not in DOMAINS:
        raise StartError(f"There is no domain {domain}; there are {', '.join(DOMAINS)}.")

    async def collect() -> list[DeadLetter]:
        return [letter async for letter in dead_letters.read(settings().kafka, (domain,) if domain else DOMAINS)]

    return asyncio.run(collect())


def _one(position: str, domain: str) -> DeadLetter:
    found = [letter for letter in _read(domain) if letter.position == position]
    if not found:
        raise StartError(f"There is no record {position} in the dead-letter queue.")
    if len(found) > 1:
        raise StartError(f"Several domains have a record {position}; name one with --domain.")
    return found[0]


def _described(letter: DeadLetter) -> dict[str, object]:
    return {
        "topic": letter.record.topic,
        "position": letter.position,
        "at": letter.header("dlq.at"),
        "reason": letter.header("dlq.reason"),
        "detail": letter.header("dlq.detail") or letter.header("dlq.exception"),
        "type": letter.header("ce_type"),
        "key": _text(letter.record.key),
        "replayed": letter.replayed,
    }


def _text(value: bytes | None) -> str:
    return "(none)" if value is None else value.decode(errors="replace")
