"""The jars of Apache Kafka: fetched once from Maven with jgo, shared by all data directories, verified at every start.

The class path is pinned by coordinates and SHA-256 in ``kafka-<version>.lock``, so nothing is resolved at run time:
jgo only downloads. Its environment builder is not used, because it may fetch a JDK to classify the jars.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin.errors import StartError, from_os_error

KAFKA_VERSION: Final = "4.1.2"
PARALLEL_DOWNLOADS: Final = 8
DOWNLOAD_TIMEOUT_SECONDS: Final = 60

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned artifact."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    def path(self, repository: Path) -> Path:
        return repository / self.group.replace(".", "/") / self.artifact / self.version / self.filename


def pinned(version: str = KAFKA_VERSION) -> tuple[Jar, ...]:
    """The class path of that Kafka version, in order. Raises StartError when no lock of it is shipped."""
    lock = Path(__file__).with_name(f"kafka-{version}.lock")
    if not lock.exists():
        raise StartError(f"Kafka {version} is not one of the pinned versions of the embedded broker.")
    rows = (line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#"))
    return tuple(Jar(sha256, *coordinates.split(":")) for sha256, coordinates in rows)


def cache_dir() -> Path:
    """``$XDG_CACHE_HOME/tocsin``, else ``~/.cache/tocsin``; the home of the user entry when HOME is empty."""
    if configured := os.environ.get("XDG_CACHE_HOME", ""):
        return Path(configured) / "tocsin"
    home = os.environ.get("HOME", "") or pwd.getpwuid(os.getuid()).pw_dir
    return Path(home) / ".cache" / "tocsin"


def class_path(version: str = KAFKA_VERSION, cache: Path | None = None, progress: Progress | None = None) -> list[Path]:
    """Every jar, downloaded where missing and with its SHA-256 verified; ``progress(done, total)`` after each download.

    Raises StartError when a jar cannot be fetched (first start without network) or has another checksum.
    """
    jars = pinned(version)
    repository = (cache or cache_dir()) / "maven"
    if unsound := _unsound(jars, repository):
        try:
            with _locked(repository):
                # another process may have fetched them while this one waited for the lock
                _fetch(_unsound(unsound, repository), repository, progress)
        except OSError as error:
            raise from_os_error(error, repository) from error
        if unsound := _unsound(unsound, repository):
            names = ", ".join(jar.filename for jar in unsound)
            raise StartError(f"Downloaded jars have another SHA-256 than the pinned one and were not used: {names}.")
    return [jar.path(repository) for jar in jars]


def _unsound(jars: tuple[Jar, ...], repository: Path) -> tuple[Jar, ...]:
    with ThreadPoolExecutor(2) as pool:  # hashing releases the interpreter lock
        sound = list(pool.map(lambda jar: _is_sound(jar, repository), jars))
    return tuple(jar for jar, is_sound in zip(jars, sound, strict=True) if not is_sound)


def _is_sound(jar: Jar, repository: Path) -> bool:
    try:
        with jar.path(repository).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


def _fetch(jars: tuple[Jar, ...], repository: Path, progress: Progress | None) -> None:
    if not jars:
        return
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=repository, local_repos=[], timeout=DOWNLOAD_TIMEOUT_SECONDS)

    def download(jar: Jar) -> None:
        jar.path(repository).unlink(missing_ok=True)  # cut off by an earlier interruption
        context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()

    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        try:
            for done, _ in enumerate(pool.map(download, jars), 1):
                if progress:
                    progress(done, len(jars))
        except OSError as error:
            if error.errno:  # a full disk, a read-only cache
                raise
            raise _not_fetched() from error  # requests' errors are OSErrors without a number
        except RuntimeError as error:
            raise _not_fetched() from error


def _not_fetched() -> StartError:
    return StartError("The Kafka jars could not be downloaded; the first start needs network access to Maven Central.")


@contextmanager
def _locked(repository: Path) -> Iterator[None]:
    repository.mkdir(parents=True, exist_ok=True)
    with (repository / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
