"""``tocsin up`` as a user meets it: real processes, killed and counted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import TOCSIN, Installation, eventually
from tocsin.embedded import process
from tocsin.embedded.roles import ROLES
from tocsin.events.topics import DOMAINS

pytestmark = pytest.mark.embedded

CHILDREN = (*(command.name for command in ROLES), "kafka", "postgres")


@pytest.fixture(scope="module")
def installation(session_directory: Path) -> Iterator[Installation]:
    directory = session_directory / "embedded-up"
    directory.mkdir()
    found = Installation(directory)
    found.start()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.end(signal.SIGTERM)


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


@pytest.mark.parametrize("name", ["http", *(pytest.param(name, marks=pytest.mark.long) for name in CHILDREN[1:])])
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


def test_sigterm_stops_everything_and_logs_remain(installation: Installation) -> None:
    family = [installation.child(name) for name in CHILDREN]
    assert installation.end(signal.SIGTERM) == 0
    assert not any(map(process.is_alive, family))
    assert not (installation.directory / "data" / "runtime.json").exists()
    logs = {path.stem for path in (installation.directory / "data" / "logs").glob("*.log")}
    assert {command.name for command in ROLES} <= logs


# --- refused starts ---------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def refused(installation: Installation) -> str:
    done = installation.run("up")
    assert done.returncode == 1, done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_taken_port_is_one_sentence(fresh: Installation) -> None:
    with socket.create_server(("127.0.0.1", fresh.api_port)):
        assert refused(fresh) == f"tocsin: Port {fresh.api_port} is in use; set API_PORT to a free one.\n"


def test_a_taken_metrics_port_names_its_role(fresh: Installation) -> None:
    port = int(fresh.environment["METRICS_PORT"]) + 1
    with socket.create_server(("127.0.0.1", port)):
        assert f"Port {port}, for the metrics of {ROLES[1].name}, is in use" in refused(fresh)


def test_a_data_directory_that_cannot_be_made_is_one_sentence(fresh: Installation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fresh.environment["TOCSIN_DATA_DIR"] = str(tmp_path / "file" / "data")
    assert refused(fresh) == f"tocsin: Cannot write to {tmp_path / 'file' / 'data'}: a part of the path is a file.\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_one_sentence(fresh: Installation, tmp_path: Path) -> None:
    (tmp_path / "sealed").mkdir(mode=0o500)
    fresh.environment["TOCSIN_DATA_DIR"] = str(tmp_path / "sealed" / "data")
    assert "permission is denied." in refused(fresh)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small disk needs root on Linux")
def test_a_full_disk_is_one_sentence(fresh: Installation, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    fresh.environment["TOCSIN_DATA_DIR"] = str(tmp_path / "small" / "data")
    script = f'mount -t tmpfs -o size=8m none "{tmp_path / "small"}" && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *TOCSIN, "up"],
        env=fresh.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "Operation not permitted" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("this system does not let tests mount")
    assert done.returncode == 1
    assert "is full: " in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_refused_setting_names_its_variable(fresh: Installation) -> None:
    fresh.environment["LOG_RETENTION_DAYS"] = "30"
    assert refused(fresh).startswith("tocsin: Settings are not usable: LOG_RETENTION_DAYS=30: ")
