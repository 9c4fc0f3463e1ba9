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
    from tocsin.streams.domain.sla_replay import Judged, SlaOutcome

app = typer.Typer(help="Try rules on the recorded log before switching to them.", no_args_is_help=True)

_SHOWN = 10  # incidents of each side in the table; JSON has all


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


@app.command()
def sla(
    policy: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="A file like deploy/sla.yaml.")],
    since: Annotated[str, typer.Option(help="How far back: a duration such as 36h or 7d.")] = "7d",
    as_json: Annotated[bool, typer.Option("--json", help="Both outcomes and what differs, as JSON.")] = False,
) -> None:
    """Decide the tickets of the last days again, under the present SLA policy and that of a file; nothing is written.

    Tickets that were opened before are left out.

    Example:  tocsin backtest sla --policy sla-new.yaml --since 7d
    """
    from tocsin.streams.domain.sla_replay import differing

    before, after, events = asyncio.run(_judged(policy, since))
    pairs = differing(before, after)
    if as_json:
        document = {
            "since": since,
            "events": events,
            "before": _told(before),
            "after": _told(after),
            "differing": [{"before": one._asdict(), "after": other._asdict()} for one, other in pairs],
        }
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    typer.echo(f"{events} recorded events of the last {since}")
    _print_judged("the present policy", before)
    _print_judged(str(policy), after)
    _print_differing(pairs)


async def _judged(policy: Path, since: str) -> tuple[SlaOutcome, SlaOutcome, int]:
    from tocsin.backtest import judged, recorded_events
    from tocsin.events.tickets import DOMAIN
    from tocsin.policies import PolicyError, read_tickets_policy
    from tocsin.settings import settings
    from tocsin.sla_policy import read_sla_policy

    length = _length(since)
    try:
        bodies = [read_sla_policy(path) for path in (settings().sla_config_path, policy)]
        tickets = read_tickets_policy(settings().tickets_config_path)
    except PolicyError as error:
        raise StartError(f"{error}.") from error
    now = time.time_ns() // 1_000_000
    recorded = await recorded_events(settings().kafka, DOMAIN, now - length)
    before, after = (judged(recorded, body, tickets, now) for body in bodies)
    return before, after, len(recorded)


def _told(outcome: SlaOutcome) -> dict[str, Any]:
    return {**outcome._asdict(), "judged": [one._asdict() for one in outcome.judged]}


def _print_judged(title: str, outcome: SlaOutcome) -> None:
    clocks = "; ".join(
        f"{metric}: " + ", ".join(f"{count} {how}" for how, count in counts.items())
        for metric, counts in outcome.clocks.items()
    )
    channels = ", ".join(f"{count} to {channel}" for channel, count in outcome.messages.items())
    older = f"; {outcome.older} events of older tickets left out" if outcome.older else ""
    typer.echo(f"{title}: {outcome.tickets} tickets → {clocks or 'no clocks'}{older}")
    typer.echo(f"  escalations: {sum(outcome.escalations.values())}; messages: {channels or 'none'}")


def _print_differing(pairs: list[tuple[Judged, Judged]]) -> None:
    from rich.console import Console
    from rich.table import Table

    typer.echo(f"{len(pairs)} tickets are judged differently")
    if not pairs:
        return
    table = Table("ticket", "missed before → after", "level", "messages", "subject")
    for one, other in pairs[:_SHOWN]:
        table.add_row(
            other.ticket_id,
            f"{len(one.missed)} → {len(other.missed)}",
            f"{one.level} → {other.level}",
            f"{one.messages} → {other.messages}",
            other.subject[:60],
        )
    Console().print(table)


def _length(since: str) -> int:
    """Milliseconds. Raises StartError."""
    from tocsin.policies import duration_ms

    try:
        length = duration_ms(since)
    except ValueError as error:
        raise StartError(f"--since {error}.") from error
    if length is None:
        raise StartError("--since must be a duration such as 36h or 7d.")
    return length


async def _compared(rules: Path, since: str) -> tuple[Outcome, Outcome, int]:
    from tocsin.backtest import grouped, recorded_alerts
    from tocsin.grouping_policy import read_grouping_policy
    from tocsin.policies import PolicyError
    from tocsin.settings import settings

    length = _length(since)
    try:
        bodies = [read_grouping_policy(path) for path in (settings().grouping_config_path, rules)]
    except PolicyError as error:
        raise StartError(f"{error}.") from error
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
