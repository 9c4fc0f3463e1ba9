"""``tocsin send``: reports something to the running gateway, as a workflow would."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tocsin.errors import StartError

app = typer.Typer(help="Send events to the running gateway.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Send events to the running gateway."""


@app.command()
def failure(
    workflow: Annotated[str, typer.Option(help="Name of the workflow that failed.")],
    message: Annotated[str, typer.Option(help="What went wrong.")],
    identifier: Annotated[str, typer.Option(help="What makes it the same failure; default: derived.")] = "",
    severity: Annotated[str, typer.Option(help="As the API takes it.")] = "error",
    context: Annotated[str, typer.Option(help="Any JSON, kept with the ticket.")] = "",
    url: Annotated[str, typer.Option(help="Base address; default: the running installation.")] = "",
    key: Annotated[str, typer.Option(envvar="TOCSIN_API_KEY", help="API key.")] = "",
) -> None:
    """Report a failed workflow; prints the gateway's answer.

    Example:  tocsin send failure --workflow etl --message "no rows" --context '{"table": "orders"}'
    """
    body: dict[str, Any] = {"workflow": workflow, "message": message, "severity": severity}
    if identifier:
        body["identifier"] = identifier
    if context:
        try:
            body["context"] = json.loads(context)
        except ValueError as error:
            raise StartError(f"--context is no JSON: {error}.") from None
    typer.echo(_post(url, key, body))


def _post(url: str, key: str, body: dict[str, Any]) -> str:
    import httpx

    base = url or base_url()
    try:
        answer = httpx.post(f"{base}/failures", json=body, headers={"x-api-key": key} if key else {}, timeout=30)
    except httpx.TransportError as error:
        raise StartError(f"{base} does not answer: {error}.") from error
    if answer.is_error:
        raise StartError(f"{base} refused it ({answer.status_code}): {answer.text}")
    return answer.text


def base_url() -> str:
    """Of the installation that runs in this directory, else as the settings have it."""
    from tocsin.embedded import runtime
    from tocsin.errors import NotRunning
    from tocsin.settings import settings

    current = settings()
    try:
        return runtime.running(current.data_dir).url
    except NotRunning:
        return f"http://{current.reachable_host}:{current.api_port}"
