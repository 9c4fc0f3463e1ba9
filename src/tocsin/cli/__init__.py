"""The command line. Commands import what they need when they run, so that ``--help`` answers at once."""

from __future__ import annotations

import sys

import typer

from tocsin import __version__
from tocsin.cli import (
    backtest,
    database,
    dead_letters,
    demo,
    doctor,
    jobs,
    keys,
    mock_slack,
    projections,
    roles,
    send,
    signing_secrets,
    sla,
    sources,
    status,
    tasks,
    topics,
)
from tocsin.errors import StartError

app = typer.Typer(
    name="tocsin",
    help="One replayable event log behind failures, incidents, SLAs, schedules and waiting workflows.\n\n"
    "Start everything on this machine:  tocsin up",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (roles, demo, mock_slack, database, topics, status, doctor):
    module.register(app)
for name, group in (
    ("backtest", backtest),
    ("jobs", jobs),
    ("keys", keys),
    ("dlq", dead_letters),
    ("projections", projections),
    ("send", send),
    ("signing-secrets", signing_secrets),
    ("sla", sla),
    ("sources", sources),
    ("tasks", tasks),
):
    app.add_typer(group.app, name=name)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"tocsin {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Options of every command."""


def main() -> None:
    """Entry point: what the user can mend is one sentence on stderr and exit code 1, never a traceback."""
    try:
        app()
    except StartError as error:
        fail(str(error))
    except ValueError as error:
        fail(_settings_problem(error))


def fail(sentence: str) -> None:
    typer.echo(f"tocsin: {sentence}", err=True)
    sys.exit(1)


def _settings_problem(error: ValueError) -> str:
    """The sentence for settings that are refused; other ValueErrors are bugs and keep their traceback."""
    from pydantic import SecretStr, ValidationError

    from tocsin.settings import Settings

    if not isinstance(error, ValidationError) or error.title != Settings.__name__:
        raise error
    problems = []
    for problem in error.errors():
        if not problem["loc"]:  # about several together
            problems.append(problem["msg"])
            continue
        name = str(problem["loc"][0])
        field = Settings.model_fields.get(name)
        variable = (field.alias or name).upper() if field else name.upper()
        given = "***" if field and field.annotation is SecretStr else problem["input"]
        problems.append(f"{variable}={given}: {problem['msg']}")
    return "Settings are not usable: " + "; ".join(problems) + "."
