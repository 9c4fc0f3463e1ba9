"""``tocsin demo``: sample incidents, made by sending realistic webhooks through the real pipeline."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tocsin.errors import StartError

if TYPE_CHECKING:
    from rich.console import Console

    from tocsin.demo.post import Telling
    from tocsin.demo.scenario import Scenario
    from tocsin.demo.server import Document, Server

_COLORS: Final = {"critical": "bold red", "error": "red", "warning": "yellow", "info": "blue"}


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    seed: Annotated[int, typer.Option(min=1, help="Another seed tells the story about other services.")] = 1,
    url: Annotated[str, typer.Option(help="Base address; default: the running installation.")] = "",
    key: Annotated[str, typer.Option(envvar="TOCSIN_API_KEY", help="API key, where reading needs one.")] = "",
    datadog_secret: Annotated[str, typer.Option(help="Default: DATADOG_WEBHOOK_SECRET.")] = "",
    sentry_secret: Annotated[str, typer.Option(help="Default: SENTRY_CLIENT_SECRET.")] = "",
    alertmanager_secret: Annotated[str, typer.Option(help="Default: ALERTMANAGER_WEBHOOK_SECRET.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Print the webhooks as JSON lines and send nothing.")] = False,
) -> None:
    """Make sample incidents: two hours of a shop, as Datadog, Sentry and Alertmanager would report them.

    The webhooks are signed and go through the real pipeline. A secret that is not set is made for the moment and
    revoked at the end. Run again, the same story is sent again byte for byte: it counts deliveries, nothing is doubled.

    Example:  tocsin demo
    """
    from tocsin.demo.scenario import scenario

    told = scenario(seed)
    if dry_run:
        _print_posts(told, seed)
        return
    given = {"datadog": datadog_secret, "sentry": sentry_secret, "alertmanager": alertmanager_secret}
    with _leaving_in_order(), _server(url, key) as server, _secrets(given, url) as (secrets, made):
        _perform(server, secrets, made, told, seed)


def _print_posts(told: Scenario, seed: int) -> None:
    import json

    from tocsin.demo import story

    for post in story.posts(told, _telling(told, seed, None)):
        shown = {"at": post.at, "path": post.path, "headers": dict(post.headers), "body": json.loads(post.body)}
        typer.echo(json.dumps(shown))


@contextmanager
def _leaving_in_order() -> Iterator[None]:
    """SIGTERM too lets temporary secrets be revoked."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _server(url: str, key: str) -> Iterator[Server]:
    from tocsin.cli.send import base_url
    from tocsin.demo.server import Server

    server = Server(url or base_url(), key)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def _secrets(given: Mapping[str, str], url: str) -> Iterator[tuple[Mapping[str, str], Collection[str]]]:
    """A secret for each source, and the sources whose secret is temporary. Raises StartError."""
    from tocsin.cli import demo_secrets
    from tocsin.settings import settings

    known = demo_secrets.known(settings(), given)
    missing = [source for source in given if source not in known]
    if missing and url:
        names = demo_secrets.to_be_set(missing)
        raise StartError(f"Set {names} as they are at {url}; without --url temporary ones are made.")
    with demo_secrets.temporary(settings(), missing) as made:
        yield {**known, **made}, missing


def _telling(told: Scenario, seed: int, began_ms: int | None) -> Telling:
    """The story as it began before, else ending a minute ago."""
    from tocsin.demo.post import MINUTE_MS, Telling

    now_ms = time.time_ns() // 1_000_000_000 * 1000
    return Telling(seed, began_ms or now_ms - (told.minutes + 1) * MINUTE_MS)


def _perform(server: Server, secrets: Mapping[str, str], made: Collection[str], told: Scenario, seed: int) -> None:
    from rich.console import Console

    from tocsin.demo import story
    from tocsin.demo.performance import Performance

    console = Console(highlight=False)
    began = server.began(story.first_fingerprint(told))
    telling = _telling(told, seed, began)
    posts = story.posts(told, telling)
    console.print(_announced(server, telling, told, len(posts), again=began is not None), markup=False, soft_wrap=True)
    with _progress(console, len(posts) + len(told.people) + 1) as say:
        performance = Performance(server, secrets, made, say)
        performance.send(posts)
        left = performance.act(told.people)
    incidents = performance.incidents([alert.group for alert in told.alerts])
    _print_incidents(console, incidents)
    alerts = sum(one["alert_count"] for one in incidents)
    console.print(f"{len(posts)} webhooks, {alerts} alerts, {len(incidents)} incidents.")
    for deed in left:
        console.print(f"{deed.does} was not possible: {deed.service} has no incident for it.", markup=False)
    _print_next(console, server, incidents)


def _announced(server: Server, telling: Telling, told: Scenario, count: int, *, again: bool) -> str:
    from tocsin.demo.post import iso

    times = f"{iso(telling.began_ms)} to {iso(telling.at(told.minutes))}"
    if not again:
        return f"{count} webhooks tell {server.base} what happened from {times}."
    return (
        f"Seed {telling.seed} was told here before ({times}): the same {count} webhooks are sent again. They count as"
        f" deliveries, no alert and no incident is new. Other services: tocsin demo --seed {telling.seed + 1}"
    )


@contextmanager
def _progress(console: Console, steps: int) -> Iterator[Callable[[str], None]]:
    """A bar, and what is to be called before each step."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=steps)
        yield lambda text: progress.update(task, description=text, advance=1)


def _print_incidents(console: Console, incidents: Sequence[Document]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("service", "environment", "team", "severity", "status", "alerts", "incident")
    for one in incidents:
        severity = Text(one["severity"], _COLORS.get(one["severity"], ""))
        texts = (Text(one[name] or "") for name in ("service", "environment", "team"))
        table.add_row(*texts, severity, one["status"], str(one["alert_count"]), Text(one["title"]))
    console.print(table)


def _print_next(console: Console, server: Server, incidents: Sequence[Document]) -> None:
    lines = [f"curl -s '{server.base}/incidents?status=OPEN&severity=critical,error'"]
    if incidents:
        largest = max(incidents, key=lambda one: int(one["alert_count"]))
        lines += [
            f"curl -s {server.base}/incidents/{largest['id']}",
            f"curl -s '{server.base}/alerts?incident_id={largest['id']}'",
        ]
    if opened := next((one for one in incidents if one["status"] == "OPEN"), None):
        body = '{"status": "INVESTIGATING", "actor": "you", "reason": "looking"}'
        lines.append(f"curl -s -X PATCH {server.base}/incidents/{opened['id']}/status -d '{body}'")
    console.print("\nNext:")
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
