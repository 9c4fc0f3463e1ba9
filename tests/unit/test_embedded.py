"""The parts of the embedded run that need no broker and no database."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tocsin.embedded import jars, ports, process, restarts
from tocsin.embedded.children import Children
from tocsin.embedded.kafka_configuration import log4j_properties, server_properties
from tocsin.embedded.postgres import Postgres
from tocsin.errors import StartError

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[psutil.Popen]]:
    found: list[psutil.Popen] = []
    yield found
    for one in found:
        process.kill(one)


def spawn(command: list[str], tmp_path: Path, started: list[psutil.Popen]) -> psutil.Popen:
    started.append(process.spawn(command, log=tmp_path / "log"))
    return started[-1]


class Sleeper:
    """A child as the supervisor keeps them."""

    def __init__(self, directory: Path) -> None:
        self.process: psutil.Popen | None = None
        self.directory = directory
        self.started_again = asyncio.Event()

    def spawn(self) -> None:
        if self.process is not None:
            self.started_again.set()
        self.process = process.spawn(SLEEPER, log=self.directory / "log")

    def stop(self) -> None:
        assert self.process is not None
        process.stop(self.process, signal.SIGTERM, 5)

    def kill(self) -> None:
        assert self.process is not None
        process.kill(self.process)


# --- restarts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crashes", "delay"),
    [
        ([100.0], 0),
        ([90.0, 100.0], 0),
        ([80.0, 90.0, 100.0], 1),
        ([80.0, 85.0, 90.0, 100.0], 2),
        ([60.0, 65.0, 69.0, 100.0], 0),  # long ago
        ([100.0] * 20, restarts.LONGEST_DELAY_SECONDS),
    ],
)
def test_from_the_third_crash_within_30_seconds_restarts_wait_longer(crashes: list[float], delay: float) -> None:
    assert restarts.delay(crashes, 100.0) == delay


async def test_a_killed_child_is_started_again_and_then_stopped(tmp_path: Path) -> None:
    told: list[str] = []
    children = Children(told.append)
    child = Sleeper(tmp_path)
    watching = asyncio.create_task(children.watch())
    children.spawn("sleeper", child)
    children.keep("sleeper")
    first = child.process
    assert first is not None
    first.kill()
    async with asyncio.timeout(10):
        await child.started_again.wait()
    assert told == ["sleeper ended with code -9; starting it again"]
    watching.cancel()
    await children.stop(("sleeper",))
    assert child.process is not first
    assert child.process is not None
    assert not process.is_alive(child.process)


# --- processes --------------------------------------------------------------------------------------------------------


def test_a_child_that_ignores_sigterm_is_killed_at_its_deadline(tmp_path: Path, started: list[psutil.Popen]) -> None:
    child = spawn(STUBBORN, tmp_path, started)
    while "deaf" not in (tmp_path / "log").read_text():
        assert process.is_alive(child)
    assert process.stop(child, signal.SIGTERM, 0.2) is False
    assert not process.is_alive(child)


def test_a_pid_file_finds_its_process_and_not_another_with_the_same_pid(
    tmp_path: Path, started: list[psutil.Popen]
) -> None:
    child = spawn(SLEEPER, tmp_path, started)
    process.remember(tmp_path / "pid", child)
    found = process.recall(tmp_path / "pid")
    assert found is not None
    assert found.pid == child.pid
    (tmp_path / "pid").write_text('{"pid": %d, "created": 1.0}' % child.pid)  # noqa: UP031
    assert process.recall(tmp_path / "pid") is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, signal, sys, time\n"
        "from tocsin.embedded import process\n"
        f"child = process.spawn({SLEEPER!r}, log=pathlib.Path({str(tmp_path / 'log')!r}))\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    gone, alive = psutil.wait_procs([child], timeout=10)
    assert gone or not process.is_alive(child)
    assert not [one for one in alive if process.is_alive(one)]


# --- ports, jars, configuration ---------------------------------------------------------------------------------------


def test_a_listening_port_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_chosen_ports_differ_and_are_free() -> None:
    found = ports.choose(5)
    assert len(set(found)) == 5
    assert all(map(ports.is_free, found))


def test_the_pinned_class_path_holds_the_broker_its_logging_and_its_codecs() -> None:
    found = {jar.artifact: jar for jar in jars.pinned()}
    assert found["kafka_2.13"].version == jars.KAFKA_VERSION
    assert {"log4j-slf4j-impl", "log4j-core", "zstd-jni", "snappy-java", "lz4-java", "kafka-clients"} <= set(found)
    assert all(len(jar.sha256) == 64 for jar in found.values())


def test_an_unknown_kafka_version_is_refused() -> None:
    with pytest.raises(StartError, match=r"Kafka 1\.0 is not one of the pinned versions"):
        jars.pinned("1.0")


def test_a_jar_with_another_checksum_is_never_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jar = jars.Jar("0" * 64, "group", "artifact", "1")
    monkeypatch.setattr(jars, "pinned", lambda _: (jar,))

    def download(wanted: tuple[jars.Jar, ...], repository: Path, _: object) -> None:
        for one in wanted:
            one.path(repository).parent.mkdir(parents=True)
            one.path(repository).write_bytes(b"tampered")

    monkeypatch.setattr(jars, "_fetch", download)
    with pytest.raises(StartError, match=r"another SHA-256 than the pinned one and were not used: artifact-1\.jar"):
        jars.class_path(cache=tmp_path)


def test_the_cache_works_with_an_empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    assert jars.cache_dir().is_absolute()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jars.cache_dir() == tmp_path / "tocsin"


def test_the_broker_listens_on_loopback_only_and_fails_over_fast(tmp_path: Path) -> None:
    lines = dict(line.split("=", 1) for line in server_properties(tmp_path, 1, 2).splitlines())
    assert lines["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
    assert lines["group.min.session.timeout.ms"] == "500"
    assert lines["auto.create.topics.enable"] == "false"
    assert lines["message.max.bytes"] == "2097152"


def test_the_log_of_the_broker_expires(tmp_path: Path) -> None:
    assert "age.age=P9D" in log4j_properties(tmp_path, 9)


def test_a_long_data_path_gets_a_short_socket_directory(tmp_path: Path) -> None:
    short, long = Postgres(Path("/a/b")), Postgres(tmp_path / ("x" * 120))
    assert short.socket_directory == Path("/a/b")
    assert len(str(long.socket_directory / ".s.PGSQL.5432")) < 104
    assert long.socket_directory == Postgres(tmp_path / ("x" * 120)).socket_directory
