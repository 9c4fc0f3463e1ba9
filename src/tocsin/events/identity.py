"""Ids that route themselves: the record key, and so the partition, follows from an id without asking a database."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from typing import Final

_SEPARATOR: Final = b"\x00"
_RUN_SPECIFIC: Final = re.compile(
    r"""(?xi)
    \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b   # UUIDs
    | \b\d{4}-\d{2}-\d{2}[t\ ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(z|[+-]\d{2}:?\d{2})?   # timestamps
    | \b0x[0-9a-f]+\b                                                # addresses
    | \b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b            # commit hashes, digests
    | \d+                                                            # counters, ports, durations
    """
)
_WHITE_SPACE: Final = re.compile(r"\s+")

_NUMBERED: Final = re.compile(rb"^([^/]+/[jd]_[a-z2-7]{26})-[0-9]+$")
TICKET_ID: Final = re.compile(r"^t_[a-z2-7]{26}-[1-9][0-9]{0,8}$")
ALERT_ID: Final = re.compile(r"^a_[a-z2-7]{26}-[1-9][0-9]{0,8}$")
INCIDENT_ID: Final = re.compile(r"^i_[a-z2-7]{26}-[1-9][0-9]{0,8}$")
SILENCE_ID: Final = re.compile(r"^s_[a-z2-7]{26}$")
JOB_ID: Final = re.compile(r"^j_[a-z2-7]{26}-[1-9][0-9]{0,8}$")
DELIVERY_ID: Final = re.compile(r"^d_[a-z2-7]{26}-[1-9][0-9]{0,19}$")
TASK_ID: Final = re.compile(r"^k_[0-9a-f]{32}$")
REPORTED_TICKET_ID: Final = re.compile(r"^[A-Za-z0-9._:-]{1,128}$")
WORKSPACE: Final = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


def hash_part(*parts: str) -> str:
    """26 characters (base32, lower case) of the first 16 bytes of SHA-256 over the parts, NUL-separated."""
    digest = hashlib.sha256(_SEPARATOR.join([part.encode() for part in parts])).digest()
    return base64.b32encode(digest[:16])[:26].decode().lower()


def failure_entity(workspace: str, workflow: str, identifier: str) -> str:
    """The entity (dedup identity) a failure belongs to: ``t_<hash>``; its tickets are ``t_<hash>-<episode>``."""
    return "t_" + hash_part(workspace, workflow, identifier)


def alert_entity(workspace: str, fingerprint: str) -> str:
    """The entity an alert belongs to: ``a_<hash>``; its episodes are ``a_<hash>-<n>``."""
    return "a_" + hash_part(workspace, fingerprint)


def incident_entity(workspace: str, rule: str, *values: str) -> str:
    """The entity of one group of alerts: ``i_<hash>`` of the grouping rule's name and its values, in the rule's order.

    Its incidents are ``i_<hash>-<n>``.
    """
    return "i_" + hash_part(workspace, rule, *values)


def quota_entity(workspace: str) -> str:
    """The entity that admits the jobs of a workspace: ``j_<hash>``; its jobs are ``j_<hash>-<n>``."""
    return "j_" + hash_part(workspace)


def run_id(job_id: str, spec_version: int, slot: str) -> str:
    """The id of a slot's run: the same slot of the same spec is the same run, whoever decides it."""
    return hashlib.sha256(_SEPARATOR.join([job_id.encode(), b"%d" % spec_version, slot.encode()])).hexdigest()


def delivery_id(workspace: str, endpoint: str, cause: str) -> str:
    """``d_<hash of workspace and endpoint>-<n>``, where n follows from the id of its cause.

    endpoint: scheme, host and port, or the name of a channel (``slack:default``), whose URL is nobody's to know.
    """
    number = int.from_bytes(hashlib.sha256(cause.encode()).digest()[:8]) | 1
    return f"d_{hash_part(workspace, endpoint)}-{number}"


def entity_of_numbered(numbered_id: str) -> str:
    """``i_<hash>-3`` → ``i_<hash>``; also for alerts."""
    return numbered_id.rpartition("-")[0]


def entity_of_ticket(ticket_id: str) -> str:
    """The entity of a ticket id: failure tickets lose their episode, reported tickets are their own entity."""
    if TICKET_ID.match(ticket_id):
        return ticket_id.rpartition("-")[0]
    return ticket_id


def record_key(workspace: str, entity: str) -> bytes:
    return f"{workspace}/{entity}".encode()


def partition_of(key: bytes, partitions: int) -> int:
    """CRC-32 of the key modulo the partition count, as librdkafka's ``consistent`` partitioner does it.

    Jobs of a workspace, and deliveries to an endpoint, share the partition of what their number follows.

    Chosen over Java's murmur2 because it runs in C in the standard library (0.1 µs instead of 10 µs).
    """
    if b"/j_" in key or b"/d_" in key:
        found = _NUMBERED.match(key)
        key = found[1] if found else key
    return zlib.crc32(key) % partitions


def normalised_message(message: str) -> str:
    """The message without what differs from run to run: ids, times, hashes and numbers become ``#``, spaces fold."""
    return _WHITE_SPACE.sub(" ", _RUN_SPECIFIC.sub("#", message)).strip().lower()[:512]
