"""``tocsin backtest``: what other rules would have done with what was recorded."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.errors import StartError

if TYPE_CHECKING:
    from tocsin.streams.domain.grouping_replay import Outcome

app = typer.Typer(help="Try rules on the recorded log before switching to them.", no_args_is_help=True)

_SHOWN = 10  # incidents of each side in the table; JSON has all


@app.callback()
def _group() -> None:
    """Keeps ``grouping`` a command of its own while it is the only one."""


@app.command()
def grouping(
    rules: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="A file like deploy/grouping.yaml.")],
    since: Annotated[str, typer.Option(help="How far back: a duration such as 36h or 7d.")] = "7d",
    as_json: Annotated[bool, typer.Option("--json", help="Both outcomes as JSON, with every incident.")] = False,
) -> None:
    """Decide the alerts of the last days again, under the present rules and under those of a file; nothing is written.

    Example:  tocsin backtest grouping --rules grouping-new.yaml --since 7d
    """
    before, after, events = asyncio.run(_compared(rules, since))
    if as_json:
        document = {"since": since, "events": events, "before": _described(before), "after": _described(after)}
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    typer.echo(f"{events} recorded events of the last {since}")
    _print("the present rules", before)
    _print(str(rules), after)


async def _compared(rules: Path, since: str) -> tuple[Outcome, Outcome, int]:
    from tocsin.backtest import grouped, recorded_alerts
    from tocsin.grouping_policy import read_grouping_policy
    from tocsin.policies import PolicyError, duration_ms
    from tocsin.settings import settings

    try:
        length = duration_ms(since)
        bodies = [read_grouping_policy(path) for path in (settings().grouping_config_path, rules)]
    except PolicyError as error:
        raise StartError(f"{error}.") from error
    except ValueError as error:
        raise StartError(f"--since {error}.") from error
    if length is None:
        raise StartError("--since must be a duration such as 36h or 7d.")
    recorded = await recorded_alerts(settings().kafka, time.time_ns() // 1_000_000 - length)
    before, after = (grouped(recorded, body) for body in bodies)
    return before, after, len(recorded)


def _described(outcome: Outcome) -> dict[str, Any]:
    return {**outcome._asdict(), "grouped": [one._asdict() for one in outcome.grouped]}


def _print(title: str, outcome: Outcome) -> None:
    from rich.console import Console
    from rich.table import Table

    rules = ", ".join(f"{count} by {rule}" for rule, count in outcome.by_rule.items())
    below = f"; {outcome.awaiting} wait below their threshold" if outcome.awaiting else ""
    how = f" ({rules})" if rules else ""
    typer.echo(f"{title}: {outcome.alerts} alerts → {outcome.incidents} incidents{how}{below}")
    if not outcome.grouped:
        return
    table = Table("alerts", "opened", "rule", "title")
    for one in outcome.grouped[:_SHOWN]:
        table.add_row(str(one.alerts), one.opened_at, one.rule, one.title)
    Console().print(table)
