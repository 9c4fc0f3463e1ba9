"""``tocsin sla``: what an SLA policy file says, or what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="The SLA policy of tickets.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``check`` a command of its own while it is the only one."""


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A file like deploy/sla.yaml.")]) -> None:
    """Say what a policy file means; or each error in it with its path, and exit 1. Nothing is activated.

    Example:  tocsin sla check deploy/sla.yaml
    """
    from tocsin.policies import PolicyError, problems_of
    from tocsin.sla_policy import read_sla_policy

    try:
        body = read_sla_policy(file)
    except PolicyError as error:
        for line in problems_of(error):
            typer.echo(line, err=True)
        raise typer.Exit(1) from None
    for line in _summary(body):
        typer.echo(line)


def _summary(body: dict[str, Any]) -> list[str]:
    from tocsin.streams.domain.slack_message import METRIC_WORDS, duration

    lines = []
    for metric, tiers in body["targets"].items():
        for tier, goals in tiers.items():
            said = [
                f"{priority} {'never' if goal is None else duration(goal['target_ms']) + ' of ' + goal['calendar']}"
                for priority, goal in goals.items()
            ]
            lines.append(f"{METRIC_WORDS[metric]}, tier {tier}: {', '.join(said) or 'no goals'}")
    for name, ladder in body["ladders"].items():
        steps = " → ".join(f"+{duration(step['after_ms'])} {', '.join(step['channels'])}" for step in ladder["steps"])
        again = f", {ladder['repeat']} times more" if ladder["repeat"] else ""
        lines.append(f"ladder {name}: {steps}{again}; up to level {ladder['max_level']}")
    for rule in body["escalation"]:
        which = [f"{name} {' or '.join(rule[name])}" for name in ("metrics", "priorities", "tiers") if rule[name]]
        lines.append(f"a breach climbs {rule['ladder']}: {', '.join(which) or 'any'}")
    for name, channel in body["channels"].items():
        where = channel["known_as"] or "a url of its own"
        quiet = ", with quiet hours" if channel["quiet_hours"] else ""
        lines.append(f"channel {name}: {channel['kind']}, {where}{quiet}")
    lines.append(f"warnings at {', '.join(f'{one} %' for one in body['warn_at']) or 'no time'}")
    lines.append(f"clocks pause in: {', '.join(body['pause_on']) or 'no status'}")
    lines.append(f"re-opened: {body['on_reopen']}; another policy: {body['on_reload']}")
    if body["no_clocks_for"]:
        lines.append(f"no clocks for tickets of: {', '.join(body['no_clocks_for'])}")
    return lines
