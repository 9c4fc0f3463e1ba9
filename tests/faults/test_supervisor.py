"""``tocsin up`` as a user meets it: what it says, what other shells find, what becomes of its children."""

from __future__ import annotations

import json
import signal

import pytest

from tests.installation import CHILDREN, Installation, eventually
from tocsin.embedded import process
from tocsin.events.topics import DOMAINS

pytestmark = [pytest.mark.embedded, pytest.mark.faults]


def test_the_last_line_says_where_it_is_ready(installation: Installation) -> None:
    assert installation.output[-1] == f"tocsin is ready: http://localhost:{installation.api_port}"
    assert installation.ready()


def test_another_shell_finds_it(installation: Installation) -> None:
    done = installation.run("status", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["healthy"], found["problems"]) == (0, True, [])
    assert {lag["stage"] for lag in found["lag"]} == {"decide", "project"}
    (owner,) = found["owners"]
    assert owner["owns"] == {domain: [0, 1, 2, 3] for domain in DOMAINS}


def test_a_second_start_in_the_same_directory_is_refused(installation: Installation) -> None:
    done = installation.run("up")
    assert done.returncode == 1
    assert done.stderr.startswith("tocsin: tocsin runs already in ")
    assert done.stderr.count("\n") == 1


def test_secrets_and_addresses_are_private(installation: Installation) -> None:
    data = installation.directory / "data"
    assert [oct((data / name).stat().st_mode)[-3:] for name in ("runtime.json", "secrets.json")] == ["600", "600"]


@pytest.mark.long  # every day one of them at random, under load, in test_roles
@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_is_started_again(installation: Installation, name: str) -> None:
    before = installation.child(name)
    before.kill()
    eventually(lambda: installation.replaced(name, before), 60)
    eventually(installation.ready, 60)
    assert not process.is_alive(before)


def test_nothing_outlives_a_killed_supervisor_and_the_next_start_continues(installation: Installation) -> None:
    family = [installation.child(name) for name in CHILDREN]
    installation.end(signal.SIGKILL)
    eventually(lambda: not any(map(process.is_alive, family)))
    installation.start()
    assert installation.ready()
