"""``tocsin mock-slack``: see notifications without Slack."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command(name="mock-slack", rich_help_panel="Run")(mock_slack)


def mock_slack(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8065,
    rate: Annotated[float, typer.Option(min=0, help="Messages a second of each webhook, else 429; 0: all.")] = 0,
    fail: Annotated[int, typer.Option(min=0, help="Answer 500 to so many requests first.")] = 0,
) -> None:
    """Receive Slack messages here instead, and show them: an incoming webhook with Slack's answers and limits.

    Any webhook path does: /services/T…/B…/<channel>. The messages are on /, as JSON on /messages.

    Example:  SLACK_WEBHOOK_URL=http://127.0.0.1:8065/services/T00000000/B00000000/alerts tocsin up
    """
    import asyncio

    from tocsin import log
    from tocsin.embedded.ports import is_free
    from tocsin.errors import StartError
    from tocsin.mock_slack.app import create_app
    from tocsin.mock_slack.mailbox import Mailbox
    from tocsin.server import serve

    if not is_free(port, host):
        raise StartError(
            f"Port {port} of {host} cannot be listened on: it is taken, or the address is not here; --port."
        )
    log.configure("mock-slack")
    asyncio.run(serve(create_app(Mailbox(rate, fail)), host, port, forwarded_allow_ips="127.0.0.1"))
