"""Starts of ``tocsin up`` that are refused: one sentence says why."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation import TOCSIN, Installation
from tocsin.embedded.roles import ROLES

pytestmark = pytest.mark.embedded


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
