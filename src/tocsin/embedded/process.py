"""Child processes of the embedded run: bound to this process, found again by pid file, stopped with a deadline."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

_LOOK_SECONDS: Final = 0.01
_LAUNCHER = Path(__file__).with_name("launcher.py")


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    user: pwd.struct_passwd | None = None,
) -> psutil.Popen:
    """Starts a command in a session of its own (Ctrl-C reaches only the parent); output is appended to ``log``.

    ``death_signal`` is sent when the calling *thread* ends, so only a thread that lives as long as the child may call.
    """
    identity = (user.pw_uid, user.pw_gid) if user else (-1, -1)
    arguments = [str(value) for value in (int(death_signal), os.getpid(), *identity)]
    with log.open("ab") as output:
        return psutil.Popen(
            [sys.executable, "-I", "-S", str(_LAUNCHER), *arguments, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )


def is_alive(process: psutil.Process | psutil.Popen) -> bool:
    """False for a zombie too; reaps it when it is a child."""
    if isinstance(process, psutil.Popen):
        return process.poll() is None
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def stop(process: psutil.Process | psutil.Popen, stop_signal: signal.Signals, timeout: float) -> bool:
    """Sends the signal, waits ``timeout`` seconds, then kills. True when the process went by itself."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(stop_signal)
    if _gone(process, timeout):
        return True
    kill(process)
    return False


def kill(process: psutil.Process | psutil.Popen) -> None:
    """SIGKILL, and waits until the process is gone. Raises psutil.TimeoutExpired."""
    with suppress(psutil.NoSuchProcess):
        process.kill()
    if not _gone(process, 10):
        raise psutil.TimeoutExpired(10, process.pid)


def _gone(process: psutil.Process | psutil.Popen, timeout: float) -> bool:
    """Whether it ends in that time; one that only waits to be reaped has ended, and another parent may take seconds."""
    deadline = time.monotonic() + timeout
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def kill_with_children(process: psutil.Process | psutil.Popen) -> None:
    """``kill`` for a process that started others."""
    with suppress(psutil.NoSuchProcess):
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    kill(process)


def remember(pid_file: Path, process: psutil.Process | psutil.Popen) -> None:
    """Writes who runs, with its creation time: a pid alone may have been given to another process meanwhile."""
    pid_file.write_text(json.dumps({"pid": process.pid, "created": process.create_time()}))


def recall(pid_file: Path) -> psutil.Process | None:
    """The process a pid file names, when it still is that process."""
    try:
        noted = json.loads(pid_file.read_text())
        process = psutil.Process(noted["pid"])
        return process if abs(process.create_time() - noted["created"]) < 1 and is_alive(process) else None
    except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
        return None
