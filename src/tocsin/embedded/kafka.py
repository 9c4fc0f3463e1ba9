"""A real Apache Kafka, one KRaft node on loopback: ``Kafka(directory).start()`` gives the bootstrap address."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

import psutil

from tocsin.embedded import jars, java, ports, process
from tocsin.embedded.kafka_configuration import log4j_properties, server_properties
from tocsin.errors import StartError, from_os_error

FREE_DISK_MIB: Final = 300
_MEMORY: Final = ("-Xms128m", "-Xmx512m")
_JVM: Final = (
    "-Xlog:disable",  # a cache that does not fit is no news
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",  # the compression codecs are native
    "--sun-misc-unsafe-memory-access=allow",
)
# Compiles less: starts sooner, runs slower. For tests only; load numbers taken with it say nothing.
_QUICK: Final = "-XX:TieredStopAtLevel=1"


class Kafka:
    """One broker in one directory. Ports, data and identity are kept there, so a restart continues under one address.

    ``prepare`` and ``wait`` may run in any thread; ``spawn`` only in one that lives as long as the broker.
    """

    def __init__(
        self,
        directory: Path,
        *,
        logs: Path | None = None,
        version: str = jars.KAFKA_VERSION,
        quick: bool = False,
        log_retention_days: int = 14,
        cache: Path | None = None,
        train: Path | None = None,
    ) -> None:
        """``train``: write a start-up cache there when it stops; see startup_cache.py."""
        self.directory = directory.absolute()
        self.logs = (logs or directory / "logs").absolute()
        self.process: psutil.Popen | None = None
        self._version = version
        self._quick = quick
        self._log_retention_days = log_retention_days
        self._cache = cache
        self._train = train
        self._class_path = ""

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._ports()['broker']}"

    @property
    def console(self) -> Path:
        """What the JVM itself prints; Kafka's own log is ``kafka.log`` beside it."""
        return self.logs / "kafka-console.log"

    def start(self, progress: jars.Progress | None = None, timeout: float = 60) -> str:
        """Starts and waits until clients are answered. Raises StartError."""
        self.prepare(progress)
        self.spawn()
        self.wait(timeout)
        return self.bootstrap

    def prepare(self, progress: jars.Progress | None = None) -> None:
        """Downloads what is missing, stops a broker left over from a killed run, writes the configuration."""
        self._class_path = ":".join(map(str, jars.class_path(self._version, self._cache, progress)))
        try:
            for directory in (self.directory, self.logs, self._temporary):
                directory.mkdir(parents=True, exist_ok=True)
            self._check_disk()
            if orphan := process.recall(self._pid_file):
                process.stop(orphan, signal.SIGTERM, 15)
            if not self._ports_file.exists() or not all(map(ports.is_free, self._ports().values())):
                self._choose_ports()
            self._write_configuration()
        except OSError as error:
            raise from_os_error(error, self.directory) from error
        if not (self.directory / "data" / "meta.properties").exists():
            self._format()

    def spawn(self) -> None:
        """Starts the broker process; ``prepare`` ran before, once."""
        self.console.unlink(missing_ok=True)
        shutil.rmtree(self._temporary, ignore_errors=True)  # native libraries a killed broker left behind
        self._temporary.mkdir(exist_ok=True)
        command = [*self._java("kafka.Kafka", *self._startup_options()), str(self._properties_file)]
        # SIGTERM: if this process dies, the broker still closes its log segments
        self.process = process.spawn(command, log=self.console, death_signal=signal.SIGTERM)
        process.remember(self._pid_file, self.process)

    def wait(self, timeout: float = 60) -> None:
        """Returns when the broker takes connections, which it does once it is registered. Raises StartError."""
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self.process is None or not process.is_alive(self.process):
                raise StartError(f"The embedded Kafka did not start: {self._reason()}")
            if time.monotonic() > deadline:
                raise StartError(f"The embedded Kafka was not ready after {timeout:.0f} s; its log is in {self.logs}.")
            time.sleep(0.05)

    def stop(self, timeout: float = 20) -> None:
        """Clean shutdown; killed after ``timeout`` seconds."""
        if self.process is not None:
            process.stop(self.process, signal.SIGTERM, timeout)
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self.process is not None:
            process.kill(self.process)

    def restart(self, timeout: float = 60) -> None:
        """Starts again after ``stop`` or ``kill``, on the same ports. Raises StartError."""
        self.spawn()
        self.wait(timeout)

    # --- files ------------------------------------------------------------------------------------------------------

    @property
    def _pid_file(self) -> Path:
        return self.directory / "kafka.pid"

    @property
    def _ports_file(self) -> Path:
        return self.directory / "ports.json"

    @property
    def _properties_file(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _log4j_file(self) -> Path:
        return self.directory / "log4j2.properties"

    @property
    def _temporary(self) -> Path:
        return self.directory / "tmp"

    def _ports(self) -> dict[str, int]:
        noted: dict[str, int] = json.loads(self._ports_file.read_text())
        return noted

    def _choose_ports(self) -> None:
        broker, controller = ports.choose(2)
        self._ports_file.write_text(json.dumps({"broker": broker, "controller": controller}))

    def _write_configuration(self) -> None:
        noted = self._ports()
        self._properties_file.write_text(
            server_properties(self.directory / "data", noted["broker"], noted["controller"])
        )
        self._log4j_file.write_text(log4j_properties(self.logs, self._log_retention_days))

    # --- the JVM ----------------------------------------------------------------------------------------------------

    def _java(self, main_class: str, *options: str) -> list[str]:
        return [
            str(java.executable()),
            *_MEMORY,
            *_JVM,
            *options,
            f"-Dlog4j2.configurationFile={self._log4j_file}",
            f"-Djava.io.tmpdir={self._temporary}",
            "-cp",
            self._class_path,
            main_class,
        ]

    def _startup_options(self) -> list[str]:
        if self._train:
            return [f"-XX:AOTCacheOutput={self._train}"]
        return [*self._cached_classes(), *([_QUICK] if self._quick else [])]

    def _cached_classes(self) -> list[str]:
        ready = java.startup_cache(self._version, self._cache)
        return [f"-XX:AOTCache={ready}"] if ready.exists() else []

    def _format(self) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = self._java("kafka.tools.StorageTool", *self._cached_classes(), _QUICK)
        # as one argument: an id may begin with a dash
        arguments = ["format", f"--cluster-id={cluster}", "-c", str(self._properties_file)]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            raise StartError(f"The embedded Kafka could not prepare its directory: {_last_line(done.stderr)}")

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.directory).free // 2**20
        if free < FREE_DISK_MIB:
            raise StartError(f"The disk of {self.directory} is full: {free} MiB free, {FREE_DISK_MIB} MiB needed.")

    def _answers(self) -> bool:
        host, port = self.bootstrap.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return False
        return True

    def _reason(self) -> str:
        text = self.console.read_text(errors="replace")
        if "Address already in use" in text:
            return f"port {self.bootstrap.split(':')[1]} is in use."
        if "No space left on device" in text:
            return "the disk is full."
        return f"{_last_line(text)} (log: {self.logs})"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("\tat ", "WARNING"))]
    return lines[-1] if lines else "it said nothing"
