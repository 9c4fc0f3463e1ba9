"""Writes the pinned class path of a Kafka version: ``python tools/kafka_lock.py 4.1.2``. Needs network access."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

from jgo.env import EnvironmentBuilder
from jgo.maven import MavenContext

# Kafka's own distribution adds it; without a binding the broker logs nothing
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:{version}"
TARGET = Path(__file__).parents[1] / "src" / "tocsin" / "embedded"


def main(version: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        repository = Path(directory) / "maven"
        kafka = f"org.apache.kafka:kafka_2.13:{version}"
        _resolve(repository, directory, kafka)
        log4j = next(repository.rglob("log4j-core-*.jar")).parent.name
        _resolve(repository, directory, f"{kafka}+{LOGGING.format(version=log4j)}!")
        rows = sorted(_row(path, repository) for path in repository.rglob("*.jar"))
    rows.sort(key=lambda row: "org.apache.kafka:kafka_2.13:" not in row)  # the main jar first
    header = (
        f"# The class path of Apache Kafka {version}: SHA-256 and Maven coordinates. Written by tools/kafka_lock.py.\n"
    )
    (TARGET / f"kafka-{version}.lock").write_text(header + "".join(rows))


def _resolve(repository: Path, directory: str, endpoint: str) -> None:
    EnvironmentBuilder(MavenContext(repo_cache=repository), cache_dir=Path(directory)).from_endpoint(endpoint)


def _row(path: Path, repository: Path) -> str:
    *group, artifact, version, _ = path.relative_to(repository).parts
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {'.'.join(group)}:{artifact}:{version}\n"


if __name__ == "__main__":
    main(sys.argv[1])
