"""The two configuration files of the embedded broker."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MESSAGE_BYTES: Final = 2 * 1024 * 1024

# What differs from Kafka's defaults and why; nothing else is set.
_BROKER: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # topics are created from the one table, never by a misspelt name
    "auto.create.topics.enable": "false",
    # a legal 1 MiB body always fits, with its envelope
    "message.max.bytes": str(MESSAGE_BYTES),
    "replica.fetch.max.bytes": str(MESSAGE_BYTES),
    # fail over fast: short sessions, no wait for more members, frozen transactions ended soon
    "group.min.session.timeout.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    # an idle node need not write to its metadata log twice a second
    "metadata.max.idle.interval.ms": "10000",
    # after a crash the new broker may register only when the session of the dead one is over
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # recovery reads what is not compacted yet
    "log.cleaner.backoff.ms": "1000",
    "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
    # one node; few internal partitions start and stop faster
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
}


def server_properties(data: Path, broker_port: int, controller_port: int) -> str:
    """``server.properties`` of a node that listens on loopback only."""
    values = {
        **_BROKER,
        "log.dirs": str(data),
        "listeners": f"PLAINTEXT://127.0.0.1:{broker_port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker_port}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
    }
    return "".join(f"{name}={_escaped(value)}\n" for name, value in values.items())


def log4j_properties(logs: Path, retention_days: int) -> str:
    """Kafka's own log: rotated daily and at 10 MiB, deleted after ``retention_days``; errors also on the console."""
    directory = _escaped(str(logs))
    return f"""\
status=error
rootLogger.level=info
rootLogger.appenderRefs=file,console
rootLogger.appenderRef.file.ref=file
rootLogger.appenderRef.console.ref=console
# one line per partition and start otherwise
logger.state.name=state.change.logger
logger.state.level=warn
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%m%n%throwable
appender.console.filter.level.type=ThresholdFilter
appender.console.filter.level.level=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={directory}/kafka.log
appender.file.filePattern={directory}/kafka-%d{{yyyy-MM-dd}}-%i.log
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601_OFFSET_DATE_TIME_HHMM}} %p %m (%c)%n
appender.file.policies.type=Policies
appender.file.policies.time.type=TimeBasedTriggeringPolicy
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=20
appender.file.strategy.delete.type=Delete
appender.file.strategy.delete.basePath={directory}
appender.file.strategy.delete.name.type=IfFileName
appender.file.strategy.delete.name.glob=kafka-*.log
appender.file.strategy.delete.age.type=IfLastModified
appender.file.strategy.delete.age.age=P{retention_days}D
"""


def _escaped(value: str) -> str:
    """A value of a Java properties file; only paths need it."""
    return value.replace("\\", "\\\\")
