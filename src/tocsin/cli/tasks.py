"""``tocsin tasks``: the token inbox, and the end of many waiting tasks at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.errors import StartError

if TYPE_CHECKING:
    import httpx

app = typer.Typer(help="Tokens that workflows wait for.", no_args_is_help=True)

Owner = Annotated[str, typer.Option(help="Only tasks of this owner.")]
Job = Annotated[str, typer.Option("--job", help="Only the tasks of this outside job, by its id.")]
Older = Annotated[str, typer.Option("--older-than", help="Only those registered so long ago: 36h, 7d.")]
Free = Annotated[bool, typer.Option("--no-deadline", help="Only those without a deadline.")]
Every = Annotated[bool, typer.Option("--all", help="Every waiting task, when no filter is given.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Say which it would be, and do nothing.")]
Url = Annotated[str, typer.Option(help="Base address; default: the running installation.")]
Key = Annotated[str, typer.Option(envvar="TOCSIN_API_KEY", help="API key.")]


@app.command("list")
def list_tasks(
    owner: Owner = "",
    job: Job = "",
    older_than: Older = "",
    no_deadline: Free = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array instead of a table.")] = False,
    url: Url = "",
    key: Key = "",
) -> None:
    """List waiting tasks, those first whose deadline is next.

    Example:  tocsin tasks list --no-deadline
    """
    with _client(url, key) as client:
        found = list(_waiting(client, _query(owner, job, older_than, no_deadline)))
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print(found)


@app.command()
def cancel(
    owner: Owner = "",
    job: Job = "",
    older_than: Older = "",
    no_deadline: Free = False,
    every: Every = False,
    reason: Annotated[str, typer.Option(help="What the workflows are told.")] = "",
    dry_run: Dry = False,
    url: Url = "",
    key: Key = "",
) -> None:
    """Cancel all waiting tasks that match; their workflows hear of a failure.

    Example:  tocsin tasks cancel --owner "data team" --older-than 7d --reason "the cluster is gone"
    """
    query = _chosen(_query(owner, job, older_than, no_deadline), every)
    _end(query, "cancel", {"reason": reason} if reason else {}, dry_run, url, key)


@app.command()
def settle(
    outcome: Annotated[str, typer.Argument(help="success or failure.")],
    owner: Owner = "",
    job: Job = "",
    older_than: Older = "",
    no_deadline: Free = False,
    every: Every = False,
    result: Annotated[str, typer.Option(help="JSON; of a success.")] = "",
    error: Annotated[str, typer.Option(help="What a Catch goes by; of a failure.")] = "",
    cause: Annotated[str, typer.Option(help="In words; of a failure.")] = "",
    dry_run: Dry = False,
    url: Url = "",
    key: Key = "",
) -> None:
    """Settle all waiting tasks that match.

    Example:  tocsin tasks settle failure --job export-7 --error Lost --cause "the job was deleted"
    """
    body: dict[str, Any] = {"outcome": outcome, "error": error, "cause": cause}
    if result:
        try:
            body["result"] = json.loads(result)
        except ValueError as wrong:
            raise StartError(f"--result is no JSON: {wrong}.") from None
    query = _chosen(_query(owner, job, older_than, no_deadline), every)
    _end(query, "settle", {name: value for name, value in body.items() if value != ""}, dry_run, url, key)


def _query(owner: str, job: str, older_than: str, no_deadline: bool) -> dict[str, str]:
    from tocsin.policies import duration_ms

    query = {"owner": owner, "external_job_id": job}
    if no_deadline:
        query["has_deadline"] = "false"
    if older_than:
        try:
            age = duration_ms(older_than)
        except ValueError as error:
            raise StartError(f"--older-than {error}.") from error
        if age is None:
            raise StartError("--older-than must be a duration such as 30m, 24h or 7d.")
        query["min_age_seconds"] = str(age / 1000)
    return {name: value for name, value in query.items() if value}


def _chosen(query: dict[str, str], every: bool) -> dict[str, str]:
    if not query and not every:
        raise StartError("Say which tasks: --owner, --job, --older-than, --no-deadline, or --all.")
    return query


def _client(url: str, key: str) -> httpx.Client:
    import httpx

    from tocsin.cli.send import base_url

    headers = {"x-api-key": key} if key else {}
    return httpx.Client(base_url=url or base_url(), headers=headers, timeout=30)


def _asked(client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    import httpx

    try:
        return client.request(method, path, **more)
    except httpx.TransportError as error:
        raise StartError(f"{client.base_url} does not answer: {error}.") from error


def _waiting(client: httpx.Client, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    """All of them, page by page."""
    following = {"status": "waiting", "sort": "deadline", "limit": "100", **query}
    while True:
        answer = _asked(client, "GET", "/v1/tasks", params=following)
        if answer.is_error:
            raise StartError(f"{client.base_url} refused it ({answer.status_code}): {answer.text}")
        page = answer.json()
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        following["cursor"] = page["next_cursor"]


def _end(query: dict[str, str], how: str, body: dict[str, Any], dry_run: bool, url: str, key: str) -> None:
    """One line a task. Exit code 1 when one was refused; one that ended meanwhile is none of those."""
    refused = 0
    with _client(url, key) as client:
        # known before any is ended: the list changes while they are
        for task in list(_waiting(client, query)):
            answer = None if dry_run else _asked(client, "POST", f"/v1/tasks/{task['id']}/{how}", json=body)
            if answer is None or answer.is_success:
                typer.echo(f"{task['id']} {'would be ended' if dry_run else _ended(answer)}")
            else:
                refused += answer.status_code != 409
                typer.echo(f"{task['id']} not: {answer.json().get('detail', answer.text)}")
    if refused:
        raise typer.Exit(1)


def _ended(answer: httpx.Response | None) -> str:
    """The status, or where the decision will be when it takes longer."""
    found = {} if answer is None else answer.json()
    return str(found.get("status", found.get("status_url", "")))


def _print(found: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "status", "job", "owner", "registered", "deadline", "last sign of life", "polls")
    for task in found:
        times = (task["created_at"], task["deadline"], task["last_heartbeat"])
        shown = [(text or "none")[:19].replace("T", " ") for text in times]
        table.add_row(
            task["id"], task["status"], task["external_job"]["id"], task["owner"], *shown, str(task["attempts"])
        )
    Console().print(table)
