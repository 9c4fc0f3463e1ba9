"""Bodies of jobs for tests: one that is good, and what reading it gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tocsin.egress.policy import EgressPolicy
from tocsin.encryption import Cipher
from tocsin.events.jobs import JobSpec
from tocsin.ingest.job_spec import Bodies, Body
from tocsin.problems import Problem

CIPHER = Cipher(Fernet.generate_key().decode())
BODIES = Bodies(EgressPolicy(), CIPHER)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = {"name": "nightly", "callback_url": "https://example.com/hook", "cron": "30 2 * * *"}


def created(**more: Any) -> JobSpec:
    """A spec; None takes a field away."""
    body = {name: value for name, value in (GOOD | more).items() if value is not ...}
    return BODIES.created(json.dumps(body).encode(), NOW).spec()


def changed(**body: Any) -> dict[str, Any]:
    return BODIES.changed(json.dumps(body).encode(), NOW).changes()


def errors(call: Any, *arguments: Any, **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as refused:
        call(*arguments, **more)
    assert refused.value.status == 400
    assert all(one.message for one in refused.value.errors)
    return [(one.field, one.code) for one in refused.value.errors]


def outcome(read: Callable[[bytes, datetime], Body], text: bytes) -> Body | Problem:
    try:
        return read(text, NOW)
    except Problem as problem:
        return problem
