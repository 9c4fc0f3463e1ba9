"""Commands of the four scripts; each script names one of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer
from rich.console import Console
from rich.live import Live

from waiting_workflows import crowd, differences, emulators, installation, processes, scenarios, stacks, view
from waiting_workflows.place import DEFAULT, Addresses, Place
from waiting_workflows.stacks import Stack
from waiting_workflows.trial import RESUMED_WITHIN_MS, Check, Trial

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)
Directory = Annotated[Path, typer.Option(help="Where everything is kept.", envvar="STEP_FUNCTIONS_DIR")]
ResumedWithin = Annotated[
    int,
    typer.Option(
        "--resumed-within-ms",
        min=1,
        envvar="STEP_FUNCTIONS_RESUMED_WITHIN_MS",
        help="How long after its job's end a workflow may go on; more on a busy machine.",
    ),
]
_PASSED, _FAILED = "✅", "❌"
NOT_DEPLOYED: Final = 2


@app.command()
def deploy(
    directory: Directory = DEFAULT,
    tocsin: Annotated[
        bool, typer.Option("--tocsin", help="Also a tocsin of its own, and a stack settled by it.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End everything and what it started.")] = False,
) -> None:
    """Start MiniStack and moto on free loopback ports and deploy tables, functions and state machines, anew."""
    place = Place(directory.resolve())
    place.directory.mkdir(parents=True, exist_ok=True)
    ended = processes.stop(place)
    if stop:
        console.print(f"ended: {', '.join(ended)}" if ended else "nothing ran")
        return
    began = time.monotonic()
    try:
        addresses = _start(place, tocsin)
    except processes.NotReady as error:
        processes.stop(place)
        console.print(f"{_FAILED} {error}")
        raise typer.Exit(1) from None
    if addresses.tocsin:
        console.print(f"{_PASSED} tocsin at {addresses.tocsin}, jobs over HTTP at {addresses.front}")
    for stack in _stacks(place, addresses).values():
        stacks.deploy(stack)
        names = ", ".join(machine.name for machine in stack.machines)
        console.print(f"{_PASSED} {stack.region}: {stacks.TOKENS}, {stacks.JOBS}, {', '.join(stacks.FUNCTIONS)}")
        console.print(f"   state machines at {stack.states}: {names}")
    place.write(addresses)
    console.print(f"deployed in {time.monotonic() - began:.1f} s; logs and addresses in {place.directory}")


def _start(place: Place, tocsin: bool) -> Addresses:
    """All at once, ready. Raises NotReady."""
    addresses = emulators.spawn(place)
    if tocsin:
        addresses = installation.spawn(place, addresses)
    emulators.wait(place, addresses)
    if tocsin:
        installation.wait(place, addresses)
    return addresses


@app.command(name="test")
def play(
    directory: Directory = DEFAULT,
    scenario: Annotated[list[str] | None, typer.Option(help="Only this scenario; may be repeated.")] = None,
    polls: Annotated[int, typer.Option(min=1, max=50, help="Polls before the job ends.")] = 3,
    resumed_within_ms: ResumedWithin = RESUMED_WITHIN_MS,
    show: Annotated[bool, typer.Option("--list", help="Only name the scenarios.")] = False,
) -> None:
    """Play the scenarios, show their progress, and exit 1 unless everything was as it must be."""
    chosen = [one for one in scenarios.scenarios(polls) if not scenario or one.name in scenario]
    known = {one.name for one in scenarios.scenarios(polls)}
    if unknown := set(scenario or ()) - known:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: one of {', '.join(sorted(known))}")
    if show:
        for one in chosen:
            console.print(f"{one.name:<20} {one.where:<10} {one.title}")
        return
    place, deployed = _deployed(directory)
    if not scenario:
        chosen = [one for one in chosen if one.where in deployed]
    elif missing := [one.name for one in chosen if one.where not in deployed]:
        raise typer.BadParameter(f"{', '.join(missing)}: only after deploy-local.sh --tocsin")
    tocsin = installation.client(place, place.addresses().tocsin) if "tocsin" in deployed else None
    began, broken = time.monotonic(), []
    for one in chosen:
        console.print(f"\n[bold]{one.name}[/bold]: {one.title} ({one.where})")
        if not _played(_trial(one, deployed[one.where], tocsin, resumed_within_ms)):
            broken.append(one.name)
    took = time.monotonic() - began
    if broken:
        console.print(f"\n{_FAILED} {len(broken)} of {len(chosen)} scenarios in {took:.1f} s: {', '.join(broken)}")
        raise typer.Exit(1)
    console.print(f"\n{_PASSED} {len(chosen)} of {len(chosen)} scenarios in {took:.1f} s")


@app.command()
def monitor(
    directory: Directory = DEFAULT,
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False,
) -> None:
    """Show ``poc-task-tokens`` until Ctrl-C."""
    deployed = list(_deployed(directory)[1].values())
    if once:
        console.print(view.table(deployed))
        return
    with Live(view.table(deployed), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(0.5)
                live.update(view.table(deployed), refresh=True)
        except KeyboardInterrupt:
            return


@app.command(name="poll-once")
def poll_once(
    directory: Directory = DEFAULT,
    now: Annotated[bool, typer.Option("--now", help="Also ask about jobs whose next poll is not due.")] = False,
) -> None:
    """Invoke ``poc-poller`` once in every region, as the schedule would, and print what became of the rows."""
    for stack in _deployed(directory)[1].values():
        found = stack.invoke("poc-poller", {"now": now})
        console.print(f"{stack.region} {json.dumps(found)}")


@app.command(name="crowd")
def wait_together(
    directory: Directory = DEFAULT,
    count: Annotated[int, typer.Option(min=1, max=500, help="Workflows that wait at once.")] = 100,
    polls: Annotated[int, typer.Option(min=1, max=50, help="Polls before each job ends.")] = 3,
    resumed_within_ms: ResumedWithin = RESUMED_WITHIN_MS,
) -> None:
    """Let many workflows wait at once, and exit 1 unless each goes on soon after its job's end."""
    stack = _deployed(directory)[1]["ministack"]
    found = crowd.run(stack, count, polls, lambda line: console.print(f"  {time.strftime('%H:%M:%S')}  {line}"))
    middle, most = found.resumed_ms[len(found.resumed_ms) // 2], found.resumed_ms[-1]
    checks = (
        Check("waited at once", found.waited_at_once == count, f"{found.waited_at_once} of {count} workflows"),
        Check("external polling", found.polls == count * polls, f"{found.polls} polls, {count * polls} wanted"),
        Check(
            "workflows reconnected", most < resumed_within_ms, f"p50 {middle} ms, p99 {found.p99} ms, most {most} ms"
        ),
    )
    if not _shown(checks):
        raise typer.Exit(1)


@app.command(name="differences")
def show_differences(directory: Directory = DEFAULT) -> None:
    """Ask both emulators what AWS answers otherwise, and print the table of docs/step-functions.md."""
    deployed = _deployed(directory)[1]
    with ThreadPoolExecutor(2) as pool:
        ministack, moto = pool.map(differences.measured, (deployed["ministack"], deployed["moto"]))
    typer.echo(differences.markdown(ministack, moto), nl=False)


def _trial(scenario: scenarios.Scenario, stack: Stack, tocsin: httpx.Client | None, resumed_within_ms: int) -> Trial:
    return Trial(
        scenario,
        stack,
        lambda look: console.print(f"  {time.strftime('%H:%M:%S')}  {look}"),
        tocsin,
        resumed_within_ms,
    )


def _played(trial: Trial) -> bool:
    try:
        checks = trial.run()
    except TimeoutError as error:
        checks = [Check("ended", False, str(error))]
    return _shown(checks)


def _shown(checks: Sequence[Check]) -> bool:
    for check in checks:
        console.print(f"  {_PASSED if check.holds else _FAILED} {check.name}: {check.seen}", markup=False)
    return all(check.holds for check in checks)


def _stacks(place: Place, addresses: Addresses) -> dict[str, Stack]:
    """By where their workflows are settled."""
    found = {"ministack": stacks.on_ministack(addresses), "moto": stacks.on_moto(addresses)}
    if addresses.tocsin:
        found["tocsin"] = stacks.on_tocsin(addresses, installation.Keys.of(place))
    return found


def _deployed(directory: Path) -> tuple[Place, dict[str, Stack]]:
    place = Place(directory.resolve())
    if not processes.alive(place) or not place.addresses_file.exists():
        console.print(f"nothing is deployed in {place.directory}; run deploy-local.sh first")
        raise typer.Exit(NOT_DEPLOYED)
    return place, _stacks(place, place.addresses())


if __name__ == "__main__":
    os.environ["NO_PROXY"] = "127.0.0.1,localhost"  # emulators are never behind a proxy
    app()
